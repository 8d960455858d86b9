#include "policy/address_class.h"

#include <map>
#include <string>

#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

const char* nameOf(AddressClass what) {
  switch (what) {
  case AddressClass::Public:
    return "public";
  case AddressClass::Loopback:
    return "loopback";
  case AddressClass::Private:
    return "private";
  case AddressClass::LinkLocal:
    return "link-local";
  case AddressClass::Multicast:
    return "multicast";
  case AddressClass::Reserved:
    return "reserved";
  }
  return "";
}

} // namespace

TEST("addresses have the classes that the shared vectors give") {
  int count = 0;
  for (const test::Vector& vector : test::readVectors("address-class")) {
    const std::string actual = nameOf(addressClass(test::addressOf(vector.at(0))));
    if (actual != vector.at(1)) {
      test::fail("test/vectors/address-class.txt", vector.line, vector.at(0) + " is " + actual);
    }
    ++count;
  }
  CHECK(count > 150);
}

TEST("bytes that are no address are not public") {
  CHECK(addressClass({}) == AddressClass::Reserved);
  const std::vector<std::uint8_t> five(5, 8);
  CHECK(addressClass(five) == AddressClass::Reserved);
}
