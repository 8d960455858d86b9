#include "net/peek.h"

#include <string>

#include "test/net/loopback.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::net;
using sluice::test::Connection;
using sluice::test::connectLoopback;
using sluice::test::Far;
using sluice::test::Turning;

namespace {

/// Keeps what was told last.
class Looking final : public PeekOwner {
 public:
  std::string seen;
  bool hasEnded = false;
  bool hasFailed = false;
  int times = 0;

 private:
  void onPeeked(std::string_view bytes, bool isEnd) noexcept override {
    seen = bytes;
    hasEnded = isEnd;
    ++times;
  }
  void onPeekFailed() noexcept override { hasFailed = true; }
};

} // namespace

TEST("what is looked at is told from its first byte on, whenever there is more") {
  Turning turning;
  Connection connection = connectLoopback();
  const Far far(std::move(connection.far));
  Looking owner;
  Peek peek(turning.loop(), owner);
  CHECK(peek.start(std::move(connection.near)).has_value());
  far.send("one");
  turning.until("the first bytes", [&] { return owner.seen == "one"; });
  far.send(" two");
  turning.until("the next bytes", [&] { return owner.seen == "one two"; });
  const int before = owner.times;
  turning.settle();
  CHECK_EQ(owner.times, before);
  far.finish();
  turning.until("the end", [&] { return owner.hasEnded; });
  CHECK_EQ(owner.seen, "one two");
  CHECK(!owner.hasFailed);
}

TEST("who gets the socket finds what was not taken, and its end") {
  Turning turning;
  Connection connection = connectLoopback();
  const Far far(std::move(connection.far));
  far.send("header|question");
  far.finish();
  Looking owner;
  Peek peek(turning.loop(), owner);
  CHECK(peek.start(std::move(connection.near)).has_value());
  turning.until("the bytes", [&] { return owner.seen == "header|question"; });
  CHECK(peek.take(7));
  peek.look();
  CHECK_EQ(owner.seen, "question");
  test::Listening next;
  Stream stream(turning.loop(), next);
  CHECK(stream.adopt(peek.release()).has_value());
  stream.startReceive();
  turning.until("the end", [&] { return next.end.has_value(); });
  CHECK_EQ(next.received, "question");
  CHECK(next.end == StreamEnd::Eof);
  const int before = owner.times;
  turning.settle();
  CHECK_EQ(owner.times, before);
}

TEST("a connection that is reset while it is looked at has failed") {
  Turning turning;
  Connection connection = connectLoopback();
  Far far(std::move(connection.far));
  Looking owner;
  Peek peek(turning.loop(), owner);
  CHECK(peek.start(std::move(connection.near)).has_value());
  far.send("x");
  turning.until("the byte", [&] { return owner.seen == "x"; });
  far.reset();
  turning.until("the failure", [&] { return owner.hasFailed; });
}

TEST("last words arrive, although not everything was taken") {
  Turning turning;
  Connection connection = connectLoopback();
  Far far(std::move(connection.far));
  Looking owner;
  Peek peek(turning.loop(), owner);
  CHECK(peek.start(std::move(connection.near)).has_value());
  far.send(test::pattern(20'000));
  turning.until("the bytes", [&] { return owner.seen.size() == 20'000; });
  peek.closeWith("goodbye");
  turning.until("the end at the far side", [&] {
    far.read();
    return far.hasEnded || far.wasReset;
  });
  CHECK_EQ(far.received, "goodbye");
  CHECK(!far.wasReset);
}

TEST("no more is looked at than the limit, and a closed one tells nothing") {
  Turning turning;
  Connection connection = connectLoopback();
  const Far far(std::move(connection.far));
  Looking owner;
  Peek peek(turning.loop(), owner);
  CHECK(peek.start(std::move(connection.near)).has_value());
  far.send(test::pattern(Peek::kMaxBytes + 1000));
  turning.until("the limit", [&] { return owner.seen.size() == Peek::kMaxBytes; });
  peek.close();
  const int before = owner.times;
  turning.settle();
  CHECK_EQ(owner.times, before);
}
