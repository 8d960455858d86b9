// What is a ring's own: its fallback, sends that wait for the end of the turn, bytes that were
// received before anybody wanted them, and buffers that run out. What it has in common with epoll
// the other tests of net/ ask of both loops.
#include "net/ring.h"

#include <sys/syscall.h>

#include <list>

#include "net/pump.h"
#include "test/forbidden.h"
#include "test/net/loopback.h"

using namespace sluice;
using namespace sluice::test;

namespace {

bool isOnRing() {
  return loopUnderTest() == LoopUnderTest::IoUring;
}

struct Rig {
  explicit Rig(const net::RingSizes& sizes = {}, Connection connection = connectLoopback())
      : turning(sizes), stream(turning.loop(), owner), far(std::move(connection.far)) {
    CHECK(stream.adopt(std::move(connection.near)).has_value());
  }
  /// Takes what the other side gets until it has so much.
  void untilFarHas(std::size_t size) {
    turning.until("bytes at the far end", [&] {
      far.read();
      return far.received.size() >= size;
    });
  }

  Turning turning;
  Listening owner;
  net::Stream stream;
  Far far;
};

Connection connectUnix() {
  int ends[2] = {-1, -1};
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A connection that is soon full.
Connection connectNarrowly() {
  Connection connection = connectLoopback();
  const int bytes = 16 * 1024;
  ::setsockopt(connection.near.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  ::setsockopt(connection.far.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  return connection;
}

/// Sends pieces until the kernel has taken all that it will; returns what the stream took.
std::string fill(Rig& rig, std::size_t pieceBytes) {
  std::string taken;
  const std::string all = pattern(16 << 20);
  for (;;) {
    const std::string_view piece = std::string_view(all).substr(taken.size(), pieceBytes);
    const net::SendResult sent = rig.stream.send(piece);
    CHECK(!sent.isFailed);
    taken.append(piece.substr(0, sent.taken));
    if (sent.taken < piece.size()) {
      return taken;
    }
    rig.turning.turn();
  }
}

/// A byte goes through a stream of the loop.
bool carriesBytes(net::Loop& loop) {
  Connection connection = connectLoopback();
  const Far far(std::move(connection.far));
  Listening owner;
  net::Stream stream(loop, owner);
  if (!stream.adopt(std::move(connection.near))) {
    return false;
  }
  stream.startReceive();
  far.send("x");
  loop.turn();
  return owner.received == "x";
}

} // namespace

TEST("a loop that is refused a ring says why and goes on with epoll") {
  net::Loop loop;
  loop.useRing({.requests = 0});
  CHECK_EQ(loop.ringProblem(), "io_uring_setup: Invalid argument");
  CHECK(loop.ring() == nullptr);
  CHECK(loop.isOpen());
  CHECK(carriesBytes(loop));
}

TEST("a loop in a process that may have no ring says so and goes on with epoll") {
  checkWithout(__NR_io_uring_setup, [] {
    net::Loop loop;
    loop.useRing();
    return loop.ringProblem() == "io_uring_setup: Operation not permitted" &&
           loop.ring() == nullptr && carriesBytes(loop);
  });
}

TEST("small sends of a turn arrive together and in order, at its end on a ring") {
  Rig rig;
  for (const char* piece : {"one ", "two ", "three"}) {
    CHECK_EQ(rig.stream.send(piece).taken, std::string_view(piece).size());
  }
  rig.far.read();
  CHECK_EQ(rig.far.received, isOnRing() ? "" : "one two three");
  rig.untilFarHas(13);
  CHECK_EQ(rig.far.received, "one two three");
}

TEST("a large send behind small ones of the same turn, and of others, stays behind them") {
  Rig one;
  Rig other;
  const std::string large = pattern(20'000);
  CHECK_EQ(one.stream.send("small ").taken, 6U);
  CHECK_EQ(other.stream.send("between").taken, 7U);
  // Not adjacent to what was deferred of this stream.
  CHECK_EQ(one.stream.send("again ").taken, 6U);
  CHECK_EQ(one.stream.send(large).taken, large.size());
  one.untilFarHas(12 + large.size());
  CHECK(one.far.received == "small again " + large);
  other.untilFarHas(7);
}

TEST("what a stream took in a turn is sent before it closes, ends or is aborted in that turn") {
  Rig closed;
  CHECK_EQ(closed.stream.send("last words").taken, 10U);
  closed.stream.close();
  Rig ended;
  CHECK_EQ(ended.stream.send("last words").taken, 10U);
  ended.stream.shutdownSend();
  for (Rig* rig : {&closed, &ended}) {
    rig->turning.until("the end", [&] {
      rig->far.read();
      return rig->far.hasEnded;
    });
    CHECK_EQ(rig->far.received, "last words");
  }
  // A reset throws away what was not read; what was read before had been sent.
  Rig aborted;
  CHECK_EQ(aborted.stream.send("lost words").taken, 10U);
  aborted.stream.abort();
  aborted.turning.until("the reset", [&] {
    aborted.far.read();
    return aborted.far.wasReset;
  });
}

TEST("small sends into a full connection are kept in order, and room is told of") {
  for (const std::size_t pieceBytes : {1000U, 4096U}) {
    Rig rig({}, connectNarrowly());
    const std::string taken = fill(rig, pieceBytes);
    CHECK_EQ(rig.owner.rooms, 0);
    rig.turning.settle();
    CHECK_EQ(rig.stream.send("more").taken, 0U);
    rig.turning.until("room", [&] {
      rig.far.read();
      return rig.owner.rooms > 0;
    });
    CHECK_EQ(rig.stream.send("more").taken, 4U);
    rig.untilFarHas(taken.size() + 4);
    CHECK(rig.far.received == taken + "more");
  }
}

TEST("a stream that closes while the connection is full says all that it took, and ends") {
  Rig rig({}, connectNarrowly());
  const std::string taken = fill(rig, 1000);
  rig.stream.close();
  rig.turning.until("the end", [&] {
    rig.far.read();
    return rig.far.hasEnded;
  });
  CHECK(!rig.far.wasReset);
  CHECK(rig.far.received == taken);
}

TEST("a stream that ends its side while the connection is full ends it behind all that it took") {
  Rig rig({}, connectNarrowly());
  const std::string taken = fill(rig, 1000);
  rig.stream.shutdownSend();
  rig.turning.until("the end", [&] {
    rig.far.read();
    return rig.far.hasEnded;
  });
  CHECK(rig.far.received == taken);
  rig.far.send("still heard");
  rig.stream.startReceive();
  rig.turning.until("an answer", [&] { return rig.owner.received == "still heard"; });
}

TEST("a loop ends though closed streams have something left to say") {
  Rig rig({}, connectNarrowly());
  static_cast<void>(fill(rig, 1000));
  rig.stream.close();
  rig.turning.turn();
}

TEST("a send that meets a reset is told of as a reset") {
  Rig rig;
  rig.far.reset();
  if (rig.stream.send("anyone?").isFailed) {
    // Told by that.
    return;
  }
  rig.turning.until("the reset", [&] { return rig.owner.end.has_value(); });
  CHECK(rig.owner.end == net::StreamEnd::Reset);
  rig.turning.settle();
  CHECK_EQ(rig.owner.ends, 1);
}

TEST("many streams share few buffers, and each gets all of its own") {
  Turning turning({.requests = 8, .completions = 16, .buffers = 2, .bufferBytes = 512});
  struct End {
    End(Turning& on, Connection connection)
        : stream(on.loop(), owner), far(std::move(connection.far)) {
      CHECK(stream.adopt(std::move(connection.near)).has_value());
      stream.startReceive();
    }
    Listening owner;
    net::Stream stream;
    Far far;
  };
  std::list<End> ends;
  std::string sent;
  for (int i = 0; i < 40; ++i) {
    ends.emplace_back(turning, connectLoopback());
  }
  for (const std::size_t size : {100U, 511U, 512U, 513U, 5000U, 1U}) {
    const std::string piece = pattern(size);
    sent += piece;
    for (const End& end : ends) {
      end.far.send(piece);
    }
    turning.until("everybody's share", [&] {
      bool isAll = true;
      for (const End& end : ends) {
        isAll = isAll && end.owner.received.size() >= sent.size();
      }
      return isAll;
    });
    for (const End& end : ends) {
      CHECK(end.owner.received == sent);
    }
  }
  for (End& end : ends) {
    end.far.finish();
  }
  turning.until("every end", [&] {
    bool isAll = true;
    for (const End& end : ends) {
      isAll = isAll && end.owner.end.has_value();
    }
    return isAll;
  });
}

TEST("a stream goes from small to bulky messages and back and loses nothing") {
  Rig rig({.buffers = 8, .bufferBytes = 1024});
  rig.stream.setReceiveBytes(1024);
  rig.stream.startReceive();
  std::string sent;
  const auto exchange = [&](std::size_t size) {
    const std::string piece = pattern(size);
    sent += piece;
    rig.far.send(piece);
    rig.turning.until("a message", [&] { return rig.owner.received.size() >= sent.size(); });
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) {
      exchange(100);
    }
    for (int i = 0; i < 3; ++i) {
      exchange(30'000);
    }
  }
  CHECK(rig.owner.received == sent);
  rig.far.send("the end");
  rig.far.finish();
  rig.turning.until("the end", [&] { return rig.owner.end.has_value(); });
  CHECK(rig.owner.received == sent + "the end");
}

TEST("bytes that came while receiving was stopped are handed over first when it starts again") {
  Rig rig;
  rig.stream.startReceive();
  rig.far.send("wanted ");
  rig.turning.until("bytes", [&] { return rig.owner.received == "wanted "; });
  rig.stream.stopReceive();
  rig.far.send("early ");
  rig.turning.settle();
  rig.far.send("late");
  rig.turning.settle();
  CHECK_EQ(rig.owner.received, "wanted ");
  CHECK(rig.stream.hasInput());
  rig.stream.startReceive();
  rig.turning.until("the rest", [&] { return rig.owner.received == "wanted early late"; });
}

TEST("a reset that follows held bytes is told while receiving is stopped") {
  Rig rig;
  rig.stream.startReceive();
  rig.far.send("a");
  rig.turning.until("a byte", [&] { return rig.owner.received == "a"; });
  rig.stream.stopReceive();
  rig.far.send("b");
  rig.turning.settle();
  rig.far.reset();
  rig.turning.until("the reset", [&] { return rig.owner.end.has_value(); });
  CHECK(rig.owner.end == net::StreamEnd::Reset);
}

TEST("an end or a reset that comes together with bytes is told of behind them") {
  struct Way {
    bool isUnix;
    bool isReset;
  };
  for (const Way way : {Way{false, false}, Way{false, true}, Way{true, false}}) {
    Connection connection = way.isUnix ? connectUnix() : connectLoopback();
    Rig rig({}, std::move(connection));
    rig.stream.startReceive();
    // So that a ring's receive is in the kernel when they come.
    rig.turning.settle();
    rig.far.send("last");
    if (way.isReset) {
      rig.far.reset();
    } else {
      rig.far.close();
    }
    rig.turning.until("the end", [&] { return rig.owner.end.has_value(); });
    CHECK_EQ(rig.owner.received, "last");
    CHECK(rig.owner.end == (way.isReset ? net::StreamEnd::Reset : net::StreamEnd::Eof));
  }
}

TEST("an end that was seen may be followed by a reset") {
  Rig rig;
  rig.stream.startReceive();
  rig.far.finish();
  rig.turning.until("the end", [&] { return rig.owner.end == net::StreamEnd::Eof; });
  rig.far.reset();
  rig.turning.until("the reset", [&] { return rig.owner.end == net::StreamEnd::Reset; });
}

TEST("a pump passes on what its source had received already, up to its limit") {
  for (const std::size_t limit : {3U, 12U, 19U}) {
    Rig source;
    Connection out = connectLoopback();
    Listening sinkOwner;
    net::Stream sink(source.turning.loop(), sinkOwner);
    CHECK(sink.adopt(std::move(out.near)).has_value());
    Far sinkFar(std::move(out.far));
    net::PipePool pipes;
    struct Owner final : net::PumpOwner {
      void onPumped(net::Pump&, std::size_t bytes) noexcept override { pumped += bytes; }
      void onPumpEnd(net::Pump&, net::PumpEnd how) noexcept override { end = how; }
      std::size_t pumped = 0;
      std::optional<net::PumpEnd> end;
    } owner;
    net::Pump pump(pipes, owner);

    source.stream.startReceive();
    source.far.send("first ");
    source.turning.until("bytes", [&] { return source.owner.received == "first "; });
    source.stream.stopReceive();
    source.far.send("early ");
    source.turning.settle();
    // Deferred, and yet in front of what is pumped.
    CHECK_EQ(sink.send("head ").taken, 5U);
    pump.start(source.stream, sink, limit);
    source.far.send("late 12345678");
    source.turning.until("the limit", [&] { return owner.end.has_value(); });
    CHECK(owner.end == net::PumpEnd::Limit);
    CHECK_EQ(owner.pumped, limit);
    const std::string all = "early late 12345678";
    source.turning.until("bytes at the sink", [&] {
      sinkFar.read();
      return sinkFar.received.size() >= 5 + limit;
    });
    CHECK_EQ(sinkFar.received, "head " + all.substr(0, limit));
    source.stream.startReceive();
    source.turning.until("the rest",
                         [&] { return source.owner.received.size() >= 6 + all.size() - limit; });
    CHECK_EQ(source.owner.received, "first " + all.substr(limit));
  }
}
