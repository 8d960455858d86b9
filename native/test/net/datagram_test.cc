#include "net/datagram.h"

#include <poll.h>

#include <string>

#include "test/test.h"

using namespace sluice;
using namespace sluice::net;

namespace {

/// Two sockets that are connected to each other.
struct Pair {
  Pair() {
    std::array<std::uint8_t, 16> loopback{127, 0, 0, 1};
    const SocketAddress any = SocketAddress::ip(AddressFamily::Ipv4, loopback, 0);
    right = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    CHECK_EQ(::bind(right.get(), any.raw(), any.length()), 0);
    Result<UniqueFd> connected = connectDatagrams(addressOf(right), true);
    CHECK(connected.has_value());
    left = std::move(*connected);
    const SocketAddress there = addressOf(left);
    CHECK_EQ(::connect(right.get(), there.raw(), there.length()), 0);
    traits = prepareDatagrams(right.get(), true);
  }
  static SocketAddress addressOf(const UniqueFd& fd) {
    SocketAddress address;
    socklen_t length = SocketAddress::kCapacity;
    CHECK_EQ(::getsockname(fd.get(), address.raw(), &length), 0);
    address.setLength(length);
    return address;
  }
  /// The next datagram that has arrived at the left socket, read plainly.
  [[nodiscard]] std::string take() const {
    std::string bytes(70'000, 0);
    // One that was sent in one piece is handed out in one piece here.
    const ssize_t got = ::recv(left.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return got < 0 ? "nothing" : bytes;
  }

  UniqueFd left;
  UniqueFd right;
  DatagramTraits traits;
};

/// A parcel in memory of the test's own.
Parcel parcelOf(std::string& bytes, std::uint32_t segment = 0) {
  return {
      .data = bytes.data(), .size = static_cast<std::uint32_t>(bytes.size()), .segment = segment};
}

} // namespace

TEST("a datagram outbox joins equal datagrams and ends a run with a shorter one") {
  Pair pair;
  CHECK(pair.traits.canSegment);
  const auto outbox = DatagramOutbox::make(nullptr, true);
  std::string texts[] = {"aaaa", "bbbb", "cc", "dddd", "", "eeeee", "fffff", "g"};
  for (std::string& text : texts) {
    Parcel parcel = parcelOf(text);
    CHECK(outbox->add(parcel, nullptr));
  }
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  // The left socket takes runs as they were sent.
  for (const char* expected : {"aaaabbbbcc", "dddd", "", "eeeeefffffg", "nothing"}) {
    CHECK_EQ(pair.take(), expected);
  }
  const SendTally tally = outbox->takeTally();
  CHECK_EQ(tally.datagrams, 8U);
  CHECK_EQ(tally.bytes, 25U);
  CHECK_EQ(tally.dropped, 0U);
}

TEST("a datagram outbox without runs sends a run that came in one piece one by one") {
  Pair pair;
  const auto outbox = DatagramOutbox::make(nullptr, false);
  std::string run = std::string(1500, 'a') + std::string(1500, 'b') + "c";
  Parcel parcel = parcelOf(run, 1500);
  CHECK_EQ(parcel.datagrams(), 3U);
  CHECK(outbox->add(parcel, nullptr));
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  CHECK_EQ(pair.take(), std::string(1500, 'a'));
  CHECK_EQ(pair.take(), std::string(1500, 'b'));
  CHECK_EQ(pair.take(), "c");
  CHECK_EQ(outbox->takeTally().datagrams, 3U);
}

TEST("a datagram outbox takes more than it has room for in several goes") {
  Pair pair;
  const auto outbox = DatagramOutbox::make(nullptr, false);
  std::string run(300, 'x');
  Parcel parcel = parcelOf(run, 1);
  int flushes = 0;
  while (!outbox->add(parcel, nullptr)) {
    CHECK(outbox->flush(pair.right.get()) == Errc::None);
    ++flushes;
  }
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  CHECK(flushes >= 2);
  for (int i = 0; i < 300; ++i) {
    CHECK_EQ(pair.take(), "x");
  }
  CHECK_EQ(pair.take(), "nothing");
}

TEST("a run that the kernel refuses goes out one by one, and no such run is tried again") {
  Pair pair;
  const int on = 1;
  ::setsockopt(pair.right.get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on);
  const auto outbox = DatagramOutbox::make(nullptr, true);
  std::string run(2500, 'a');
  std::string after = "after";
  for (int round = 0; round < 2; ++round) {
    Parcel parcel = parcelOf(run, 1000);
    Parcel last = parcelOf(after);
    CHECK(outbox->add(parcel, nullptr));
    CHECK(outbox->add(last, nullptr));
    CHECK(outbox->flush(pair.right.get()) == Errc::None);
    CHECK_EQ(pair.take(), std::string(1000, 'a'));
    CHECK_EQ(pair.take(), std::string(1000, 'a'));
    CHECK_EQ(pair.take(), std::string(500, 'a'));
    CHECK_EQ(pair.take(), "after");
    CHECK(outbox->segmentLimit() < 1000U);
  }
  CHECK_EQ(outbox->takeTally().datagrams, 8U);
}

TEST("a datagram inbox receives a run in one piece with its boundaries") {
  Pair pair;
  const auto inbox = DatagramInbox::make(nullptr);
  const auto outbox = DatagramOutbox::make(nullptr, true);
  std::string run(4500, 'r');
  std::string single = "single";
  Parcel parts[] = {parcelOf(run, 1000), parcelOf(single)};
  CHECK(outbox->add(parts[0], nullptr));
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  CHECK(outbox->add(parts[1], nullptr));
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  const Received received = inbox->receive(pair.left.get(), 3, 8);
  CHECK_EQ(received.count, 2U);
  CHECK(received.isDrained);
  CHECK_EQ(inbox->parcel(3).segment, 1000U);
  CHECK_EQ(inbox->parcel(3).datagrams(), 5U);
  CHECK_EQ(inbox->parcel(4).segment, 0U);
  CHECK_EQ(std::string(inbox->parcel(4).data, inbox->parcel(4).size), "single");
  CHECK_EQ(inbox->receive(pair.left.get(), 0, 8).count, 0U);
}

TEST("a refused datagram stops a flush, and what was not sent can go elsewhere") {
  Pair pair;
  Pair other;
  pair.left.reset();
  const auto outbox = DatagramOutbox::make(nullptr, false);
  std::string text = "x";
  Parcel first = parcelOf(text);
  CHECK(outbox->add(first, nullptr));
  CHECK(outbox->flush(pair.right.get()) == Errc::None);
  Parcel second = parcelOf(text);
  CHECK(outbox->add(second, nullptr));
  CHECK(outbox->flush(pair.right.get()) == Errc::TargetUnreachable);
  CHECK(!outbox->isEmpty());
  CHECK(outbox->flush(other.right.get()) == Errc::None);
  CHECK_EQ(other.take(), "x");
  CHECK_EQ(outbox->takeTally().datagrams, 2U);
  // What nobody takes is counted.
  Parcel third = parcelOf(text);
  CHECK(outbox->add(third, nullptr));
  outbox->discard();
  CHECK_EQ(outbox->takeTally().dropped, 1U);
}

TEST("receiving tells of a port that nobody listens on") {
  Pair pair;
  pair.left.reset();
  CHECK_EQ(::send(pair.right.get(), "x", 1, 0), 1);
  const auto inbox = DatagramInbox::make(nullptr);
  const Received received = inbox->receive(pair.right.get(), 0, 4);
  CHECK_EQ(received.count, 0U);
  CHECK(received.failure == Errc::TargetUnreachable);
  CHECK(inbox->receive(pair.right.get(), 0, 4).failure == Errc::None);
}

TEST("paths differ by client, port and local address, and hash by a secret") {
  DatagramPath path;
  path.words = {1, 0, 2, 0, 53ULL << 16 | AF_INET};
  CHECK_EQ(path.port(), 53);
  for (std::size_t word = 0; word < path.words.size(); ++word) {
    DatagramPath other = path;
    other.words[word] ^= 1ULL << 40;
    CHECK(!(other == path));
    CHECK(other.hash(9) != path.hash(9));
  }
  CHECK(path.hash(9) != path.hash(10));
  CHECK(secretWord() != secretWord());
}
