#include "tls/ticket_keys.h"

#include "test/test.h"

using namespace sluice::tls;

TEST("keys of tickets change with every period, and those before last are forgotten") {
  TicketKeys keys;
  CHECK(keys.begin(1000, 100));
  const TicketKeys::Key first = keys.current();
  keys.advance(1099);
  CHECK(keys.current().name == first.name);
  keys.advance(1100);
  const TicketKeys::Key second = keys.current();
  CHECK(second.name != first.name && second.cipher != first.cipher && second.mac != first.mac);
  CHECK(keys.find(first.name.data()) != nullptr);
  CHECK(keys.find(second.name.data()) == &keys.current());
  keys.advance(1200);
  CHECK(keys.find(first.name.data()) == nullptr);
  CHECK(keys.find(second.name.data()) != nullptr);
}

TEST("copies of the keys stay alike, however late one of them looks") {
  TicketKeys one;
  CHECK(one.begin(0, 10));
  TicketKeys other = one;
  for (std::uint64_t now = 0; now < 1000; now += 7) {
    one.advance(now);
  }
  other.advance(994);
  CHECK(one.current().name == other.current().name);
  CHECK(one.current().mac == other.current().mac);
  // Back in time nothing changes.
  other.advance(3);
  CHECK(one.current().name == other.current().name);
}

TEST("two beginnings have no key in common") {
  TicketKeys one;
  TicketKeys other;
  CHECK(one.begin(0, 10));
  CHECK(other.begin(0, 10));
  CHECK(one.current().cipher != other.current().cipher);
}
