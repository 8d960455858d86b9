#include "net/pump.h"

#include "test/net/loopback.h"

using namespace sluice;
using namespace sluice::test;

namespace {

/// A pump between two connections.
struct Rig final : net::PumpOwner {
  Rig(Connection in = connectLoopback(), Connection out = connectLoopback())
      : from(turning.loop(), fromOwner), to(turning.loop(), toOwner), source(std::move(in.far)),
        sink(std::move(out.far)), pump(pipes, *this) {
    CHECK(from.adopt(std::move(in.near)).has_value());
    CHECK(to.adopt(std::move(out.near)).has_value());
  }
  void start(std::uint64_t limit = net::Pump::kNoLimit) { pump.start(from, to, limit); }
  void untilEnd() {
    turning.until("the pump to end", [this] {
      sink.read();
      return ended.has_value();
    });
  }
  void untilReceived(std::size_t size) {
    turning.until("bytes at the sink", [this, size] {
      sink.read();
      return sink.received.size() >= size;
    });
  }

  void onPumped(net::Pump&, std::size_t bytes) noexcept override { pumped += bytes; }
  void onPumpEnd(net::Pump&, net::PumpEnd end) noexcept override {
    ended = end;
    ++ends;
    CHECK(!pump.isRunning());
  }

  Turning turning;
  Listening fromOwner;
  Listening toOwner;
  net::Stream from;
  net::Stream to;
  Far source;
  Far sink;
  net::PipePool pipes;
  net::Pump pump;
  std::size_t pumped = 0;
  std::optional<net::PumpEnd> ended;
  int ends = 0;
};

} // namespace

TEST("a pump moves what was there before it and what comes later, up to the end") {
  Rig rig;
  rig.source.send("before ");
  rig.turning.settle();
  rig.start();
  rig.untilReceived(7);
  rig.turning.settle();
  rig.source.send("after");
  rig.untilReceived(12);
  CHECK_EQ(rig.ends, 0);
  rig.source.finish();
  rig.untilEnd();
  CHECK(rig.ended == net::PumpEnd::SourceEof);
  CHECK_EQ(rig.sink.received, "before after");
  CHECK_EQ(rig.pumped, 12U);
  CHECK_EQ(rig.fromOwner.received, "");
  rig.turning.settle();
  CHECK_EQ(rig.ends, 1);
}

TEST("a pump moves megabytes against a slow sink, every byte in place, and is blocked meanwhile") {
  Rig rig;
  const std::string sent = pattern(24 << 20);
  std::string_view rest = sent;
  rig.start();
  bool wasBlocked = false;
  while (!rest.empty()) {
    // The source runs ahead until nothing goes any more; only then does the sink read.
    for (std::size_t put = 1; put > 0;) {
      put = rig.source.sendSome(rest);
      rest.remove_prefix(put);
      rig.turning.settle();
    }
    wasBlocked = wasBlocked || rig.pump.isBlocked();
    rig.sink.read();
    rig.turning.settle();
  }
  rig.source.finish();
  rig.untilEnd();
  CHECK(wasBlocked);
  CHECK(rig.ended == net::PumpEnd::SourceEof);
  CHECK_EQ(rig.pumped, sent.size());
  rig.untilReceived(sent.size());
  CHECK(rig.sink.received == sent);
}

TEST("a pump stops at its limit to the byte and leaves the rest to be received") {
  for (const std::size_t limit : {1U, 5U, 70'000U}) {
    Rig rig;
    const std::string sent = pattern(100'000);
    rig.start(limit);
    rig.source.send(sent);
    rig.untilEnd();
    CHECK(rig.ended == net::PumpEnd::Limit);
    CHECK_EQ(rig.pumped, limit);
    rig.untilReceived(limit);
    CHECK(rig.sink.received == sent.substr(0, limit));
    rig.source.finish();
    rig.from.startReceive();
    rig.turning.until("the rest", [&] { return rig.fromOwner.end.has_value(); });
    CHECK(rig.fromOwner.received == sent.substr(limit));
  }
}

TEST("a source that ends in front of the limit ends the pump as an end") {
  Rig rig;
  rig.start(100);
  rig.source.send("short");
  rig.source.finish();
  rig.untilEnd();
  CHECK(rig.ended == net::PumpEnd::SourceEof);
  CHECK_EQ(rig.pumped, 5U);
}

TEST("a pump tells which side was reset") {
  {
    Rig rig;
    rig.start();
    rig.source.send("x");
    rig.untilReceived(1);
    rig.source.reset();
    rig.untilEnd();
    CHECK(rig.ended == net::PumpEnd::SourceReset);
  }
  {
    Rig rig;
    rig.start();
    rig.source.send("x");
    rig.untilReceived(1);
    rig.sink.reset();
    rig.turning.settle();
    rig.source.send("nobody reads this");
    rig.turning.until("the pump to end", [&] { return rig.ended.has_value(); });
    CHECK(rig.ended == net::PumpEnd::SinkReset);
  }
}

TEST("a sink that is reset while it is full ends the pump") {
  Rig rig;
  rig.start();
  const std::string bytes(1 << 20, 'x');
  for (int i = 0; i < 64 && !rig.pump.isBlocked(); ++i) {
    rig.source.sendSome(bytes);
    rig.turning.settle();
  }
  CHECK(rig.pump.isBlocked());
  rig.sink.reset();
  rig.turning.until("the pump to end", [&] { return rig.ended.has_value(); });
  CHECK(rig.ended == net::PumpEnd::SinkReset);
}

TEST("without a descriptor for a pipe a pump gives up and nothing is lost") {
  Rig rig;
  rig.source.send("still here");
  rig.source.finish();
  {
    const NoDescriptors none;
    rig.start();
    rig.turning.until("the pump to end", [&] { return rig.ended.has_value(); });
  }
  CHECK(rig.ended == net::PumpEnd::NoPipe);
  CHECK_EQ(rig.pumped, 0U);
  rig.from.startReceive();
  rig.turning.until("the end", [&] { return rig.fromOwner.end.has_value(); });
  CHECK_EQ(rig.fromOwner.received, "still here");
}

TEST("a pump gives up in front of urgent data, and what is behind it can be received") {
  for (const bool isAtOnce : {true, false}) {
    Rig rig;
    rig.start();
    rig.source.send("before ");
    rig.untilReceived(7);
    rig.source.sendUrgent('!');
    if (!isAtOnce) {
      rig.turning.settle();
    }
    rig.source.send("after");
    rig.source.finish();
    rig.untilEnd();
    CHECK(rig.ended == net::PumpEnd::NoPipe);
    rig.from.startReceive();
    rig.turning.until("the rest", [&] { return rig.fromOwner.end.has_value(); });
    CHECK_EQ(rig.fromOwner.received, "after");
  }
}

TEST("an idle pump holds no pipe, and pipes are used again") {
  Rig first;
  first.start();
  first.source.send("x");
  first.untilReceived(1);
  first.turning.settle();
  CHECK(!first.pump.isBlocked());
  // Its pipe is in the pool: the next one is had without a descriptor.
  const NoDescriptors none;
  const net::Pipe pipe = first.pipes.take();
  CHECK(pipe.read.isOpen());
  CHECK(!first.pipes.take().read.isOpen());
}

TEST("a pump that is stopped, or whose stream closes, says nothing more") {
  Rig stopped;
  stopped.start();
  stopped.pump.stop();
  stopped.source.send("x");
  stopped.turning.settle();
  CHECK_EQ(stopped.ends, 0);
  CHECK_EQ(stopped.pumped, 0U);
  stopped.from.startReceive();
  stopped.turning.until("the byte", [&] { return stopped.fromOwner.received == "x"; });

  Rig source;
  source.start();
  source.from.close();
  CHECK(!source.pump.isRunning());
  Rig sink;
  sink.start();
  sink.source.send("x");
  sink.to.close();
  CHECK(!sink.pump.isRunning());
  sink.turning.settle();
  CHECK_EQ(sink.ends, 0);
}
