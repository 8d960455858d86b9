#include "net/stream.h"

#include "test/net/loopback.h"

using namespace sluice;
using namespace sluice::test;

namespace {

/// A stream on a loop of its own, and its far end.
struct Rig {
  explicit Rig(Connection connection = connectLoopback())
      : stream(turning.loop(), owner), far(std::move(connection.far)) {
    CHECK(stream.adopt(std::move(connection.near)).has_value());
  }
  void untilEnd() {
    turning.until("an end", [this] { return owner.end.has_value(); });
  }

  Turning turning;
  Listening owner;
  net::Stream stream;
  Far far;
};

} // namespace

TEST("a stream hands over bytes and the end that came in the same event") {
  Rig rig;
  rig.far.send("hello");
  rig.far.finish();
  rig.stream.startReceive();
  rig.untilEnd();
  CHECK_EQ(rig.owner.received, "hello");
  CHECK(rig.owner.end == net::StreamEnd::Eof);
  rig.turning.settle();
  CHECK_EQ(rig.owner.ends, 1);
}

TEST("a stream sees an end that comes alone, after it had read everything") {
  Rig rig;
  rig.stream.startReceive();
  rig.far.send("hello");
  rig.turning.until("bytes", [&] { return !rig.owner.received.empty(); });
  rig.turning.settle();
  CHECK_EQ(rig.owner.ends, 0);
  rig.far.finish();
  rig.untilEnd();
  CHECK(rig.owner.end == net::StreamEnd::Eof);
}

TEST("a stream reads in pieces no larger than asked, loses none, and is fair between turns") {
  Rig rig;
  const std::string sent = pattern(100'000);
  rig.stream.setReceiveBytes(1000);
  rig.far.send(sent);
  rig.far.finish();
  rig.stream.startReceive();
  rig.turning.turn();
  // A turn brings a share of it, however much there is.
  CHECK(rig.owner.received.size() <= 32'000);
  rig.untilEnd();
  CHECK_EQ(rig.owner.received, sent);
  CHECK_EQ(rig.owner.largest, 1000U);
}

TEST("bytes that exactly fill the receive size are followed by the rest and the end") {
  for (const std::size_t size : {1000U, 2000U, 2001U}) {
    Rig rig;
    rig.stream.setReceiveBytes(1000);
    rig.stream.startReceive();
    rig.far.send(pattern(size));
    rig.turning.until("bytes", [&] { return rig.owner.received.size() == size; });
    rig.far.finish();
    rig.untilEnd();
    CHECK_EQ(rig.owner.received, pattern(size));
  }
}

TEST("a stream that stops receiving gets nothing more until it starts again") {
  Rig rig;
  rig.stream.setReceiveBytes(4);
  rig.owner.onBytes = [](Listening&, net::Stream& stream) { stream.stopReceive(); };
  rig.far.send("one two three");
  rig.far.finish();
  for (const char* upTo : {"one ", "one two ", "one two thre", "one two three"}) {
    rig.stream.startReceive();
    rig.turning.until("a piece", [&] { return rig.owner.received == upTo; });
    rig.turning.settle();
    CHECK_EQ(rig.owner.received, upTo);
    CHECK_EQ(rig.owner.ends, 0);
    CHECK(rig.stream.hasInput());
  }
  rig.stream.startReceive();
  rig.untilEnd();
  CHECK(rig.owner.end == net::StreamEnd::Eof);
}

TEST("a stream that never started to receive knows that there is input") {
  Rig rig;
  rig.turning.settle();
  CHECK(!rig.stream.hasInput());
  rig.far.send("early");
  rig.turning.until("input", [&] { return rig.stream.hasInput(); });
  CHECK_EQ(rig.owner.received, "");
}

TEST("a reset is told even while receiving is stopped") {
  Rig rig;
  rig.turning.settle();
  rig.far.reset();
  rig.untilEnd();
  CHECK(rig.owner.end == net::StreamEnd::Reset);
}

TEST("a reset while receiving is told once, and sending fails from then on") {
  Rig rig;
  rig.stream.startReceive();
  rig.turning.settle();
  rig.far.reset();
  rig.untilEnd();
  CHECK(rig.owner.end == net::StreamEnd::Reset);
  rig.turning.settle();
  CHECK_EQ(rig.owner.ends, 1);
  CHECK(rig.stream.send("anyone?").isFailed);
}

TEST("what the kernel does not take at once is taken when there is room again") {
  Rig rig;
  const std::string sent = pattern(16 << 20);
  std::string_view rest = sent;
  int rounds = 0;
  while (!rest.empty()) {
    const net::SendResult result = rig.stream.send(rest);
    CHECK(!result.isFailed);
    rest.remove_prefix(result.taken);
    if (rest.empty()) {
      break;
    }
    ++rounds;
    const int before = rig.owner.rooms;
    rig.turning.settle();
    CHECK_EQ(rig.owner.rooms, before);
    rig.turning.until("room", [&] {
      rig.far.read();
      return rig.owner.rooms > before;
    });
  }
  CHECK(rounds > 0);
  rig.stream.shutdownSend();
  rig.turning.until("the end", [&] {
    rig.far.read();
    return rig.far.hasEnded;
  });
  CHECK(rig.far.received == sent);
  // The other direction is still open.
  rig.far.send("thanks");
  rig.stream.startReceive();
  rig.turning.until("thanks", [&] { return rig.owner.received == "thanks"; });
}

TEST("several parts are sent as one, in order") {
  Rig rig;
  std::string a = "one,";
  std::string b;
  std::string c = "three";
  const std::array<iovec, 3> parts{iovec{a.data(), a.size()}, iovec{b.data(), 0},
                                   iovec{c.data(), c.size()}};
  CHECK_EQ(rig.stream.send(parts).taken, 9U);
  rig.turning.until("the parts", [&] {
    rig.far.read();
    return rig.far.received == "one,three";
  });
}

TEST("a stream that is closed by its owner in the middle of an event says nothing more") {
  Rig rig;
  rig.stream.setReceiveBytes(4);
  rig.owner.onBytes = [](Listening&, net::Stream& stream) { stream.close(); };
  rig.far.send("one two three");
  rig.far.finish();
  rig.stream.startReceive();
  rig.turning.until("the first piece", [&] { return !rig.owner.received.empty(); });
  rig.turning.settle();
  CHECK_EQ(rig.owner.received, "one ");
  CHECK_EQ(rig.owner.ends, 0);
  CHECK(!rig.stream.isOpen());
}

TEST("an aborted stream is seen as reset, a closed one as ended") {
  Rig aborted;
  aborted.stream.abort();
  aborted.turning.until("a reset", [&] {
    aborted.far.read();
    return aborted.far.wasReset;
  });
  Rig closed;
  closed.stream.close();
  closed.turning.until("an end", [&] {
    closed.far.read();
    return closed.far.hasEnded;
  });
  CHECK(!closed.far.wasReset);
}

TEST("connecting tells its outcome: connected, refused, or why not at once") {
  Turning turning;
  net::Listening listening = net::listenStream(loopback(0));
  const std::uint16_t port = portOf(listening.fd);

  Listening connected;
  net::Stream stream(turning.loop(), connected);
  CHECK(stream.connect(loopback(port)).has_value());
  turning.until("the outcome", [&] { return connected.outcome.has_value(); });
  CHECK(connected.outcome == Errc::None);
  stream.startReceive();
  Far far(UniqueFd(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  far.send("welcome");
  turning.until("a greeting", [&] { return connected.received == "welcome"; });
  stream.close();

  listening.fd.reset();
  Listening refused;
  net::Stream second(turning.loop(), refused);
  if (second.connect(loopback(port)).has_value()) {
    turning.until("the outcome", [&] { return refused.outcome.has_value(); });
    CHECK(refused.outcome == Errc::ConnectRefused);
  } else {
    CHECK(false);
  }

  net::Stream third(turning.loop(), refused);
  CHECK(third.connect(net::SocketAddress::unixPath("/nowhere/sluice.sock")).error() ==
        Errc::ConnectRefused);

  const NoDescriptors none;
  net::Stream fourth(turning.loop(), refused);
  CHECK(fourth.connect(loopback(port)).error() == Errc::OutOfDescriptors);
}

TEST("a stream that is closed while it connects never tells an outcome") {
  Turning turning;
  const net::Listening listening = net::listenStream(loopback(0));
  Listening owner;
  net::Stream stream(turning.loop(), owner);
  CHECK(stream.connect(loopback(portOf(listening.fd))).has_value());
  stream.close();
  turning.settle();
  CHECK(!owner.outcome.has_value());
}
