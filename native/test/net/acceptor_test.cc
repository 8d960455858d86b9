#include "net/acceptor.h"

#include <map>
#include <vector>

#include "test/net/loopback.h"

using namespace sluice;
using namespace sluice::test;

namespace {

struct Rig final : net::AcceptorOwner {
  Rig() : acceptor(turning.loop(), *this), listening(net::listenStream(loopback(0))) {
    port = portOf(listening.fd);
  }
  void start(bool isShared = false) {
    CHECK(acceptor.start(std::move(listening.fd), isShared).has_value());
  }
  Far connect() const {
    UniqueFd far(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress address = loopback(port);
    CHECK_EQ(::connect(far.get(), address.raw(), address.length()), 0);
    clients.push_back(portOf(far));
    return Far(std::move(far));
  }
  void untilAccepted(std::size_t count) {
    turning.until("connections", [&] { return accepted.size() >= count; });
  }

  void onAccepted(UniqueFd fd, const net::SocketAddress& client) noexcept override {
    CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    accepted.push_back(std::move(fd));
    seen.push_back(client.port());
    if (closesAtOnce) {
      acceptor.close();
    }
  }
  void onShed(Errc why) noexcept override { ++shed[why]; }

  Turning turning;
  net::Acceptor acceptor;
  net::Listening listening;
  std::uint16_t port = 0;
  mutable std::vector<std::uint16_t> clients;
  std::vector<UniqueFd> accepted;
  std::vector<std::uint16_t> seen;
  std::map<Errc, int> shed;
  bool closesAtOnce = false;
};

} // namespace

TEST("an acceptor hands over every connection with its client's address") {
  Rig rig;
  std::vector<Far> before;
  for (int i = 0; i < 100; ++i) {
    before.push_back(rig.connect());
  }
  rig.start();
  rig.untilAccepted(100);
  const Far after = rig.connect();
  rig.untilAccepted(101);
  CHECK(rig.seen == rig.clients);
  CHECK(rig.shed.empty());
}

TEST("out of descriptors the newest are shed and counted, and others are accepted when there are "
     "some again") {
  Rig rig;
  rig.start();
  std::vector<Far> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(rig.connect());
  }
  {
    const NoDescriptors none;
    rig.turning.until("ten to be shed", [&] {
      bool isAll = true;
      for (Far& client : clients) {
        client.read();
        isAll = isAll && (client.hasEnded || client.wasReset);
      }
      return isAll;
    });
    CHECK_EQ(rig.shed[Errc::OutOfDescriptors], 10);
    CHECK(rig.accepted.empty());
  }
  const Far late = rig.connect();
  rig.untilAccepted(1);
  CHECK_EQ(rig.shed[Errc::OutOfDescriptors], 10);
}

TEST("an acceptor that can shed nobody rests instead of spinning, and goes on afterwards") {
  for (const bool isShared : {false, true}) {
    Rig rig;
    Far client = rig.connect();
    {
      const NoDescriptors none;
      // Not even the descriptor in reserve could be had.
      rig.start(isShared);
      rig.turning.turns = 0;
      rig.turning.pass(200);
      // The tick makes 50 turns and a rest a few; spinning would make tens of thousands.
      CHECK(rig.turning.turns < 200);
      client.read();
      CHECK(!client.hasEnded && !client.wasReset);
      CHECK(rig.shed.empty());
    }
    rig.untilAccepted(1);
    // The reserve is back: the next one that does not fit is shed at once.
    Far second = rig.connect();
    const NoDescriptors none;
    rig.turning.until("the second to be shed", [&] {
      second.read();
      return second.hasEnded || second.wasReset;
    });
    CHECK_EQ(rig.shed[Errc::OutOfDescriptors], 1);
  }
}

TEST("an acceptor that began without a descriptor in reserve sets one aside once there are some") {
  Rig rig;
  {
    const NoDescriptors none;
    rig.start();
  }
  const Far first = rig.connect();
  rig.untilAccepted(1);
  Far second = rig.connect();
  const NoDescriptors none;
  rig.turning.until("the second to be shed", [&] {
    second.read();
    return second.hasEnded || second.wasReset;
  });
  CHECK_EQ(rig.shed[Errc::OutOfDescriptors], 1);
}

TEST("more connections than one turn sheds do not make an acceptor spin") {
  Rig rig;
  rig.start();
  std::vector<Far> clients;
  for (int i = 0; i < 150; ++i) {
    clients.push_back(rig.connect());
  }
  const NoDescriptors none;
  rig.turning.until("all to be shed", [&] { return rig.shed[Errc::OutOfDescriptors] == 150; });
  CHECK(rig.accepted.empty());
}

TEST("an acceptor that its owner closes in the middle accepts no more and can be closed while it "
     "rests") {
  Rig rig;
  const Far first = rig.connect();
  const Far second = rig.connect();
  rig.closesAtOnce = true;
  rig.start();
  rig.untilAccepted(1);
  rig.turning.settle();
  CHECK_EQ(rig.accepted.size(), 1U);

  Rig resting;
  const Far waiting = resting.connect();
  const NoDescriptors none;
  resting.start();
  resting.turning.settle();
  resting.acceptor.close();
  resting.turning.pass(120);
  CHECK(resting.accepted.empty());
}
