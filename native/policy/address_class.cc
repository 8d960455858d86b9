#include "policy/address_class.h"

#include <array>

namespace sluice::policy {
namespace {

struct Ipv4Row {
  std::array<std::uint8_t, 4> first;
  std::uint8_t bits;
  AddressClass what;
};

/// The first row that holds the address decides.
constexpr Ipv4Row kIpv4[] = {
    {{127, 0, 0, 0}, 8, AddressClass::Loopback},
    {{10, 0, 0, 0}, 8, AddressClass::Private},
    {{172, 16, 0, 0}, 12, AddressClass::Private},
    {{192, 168, 0, 0}, 16, AddressClass::Private},
    {{100, 64, 0, 0}, 10, AddressClass::Private},
    {{198, 18, 0, 0}, 15, AddressClass::Private},
    {{169, 254, 0, 0}, 16, AddressClass::LinkLocal},
    // Azure answers each of its machines by itself there: what 169.254.169.254 is to others.
    {{168, 63, 129, 16}, 32, AddressClass::LinkLocal},
    {{224, 0, 0, 0}, 4, AddressClass::Multicast},
    {{240, 0, 0, 0}, 4, AddressClass::Reserved},
    {{0, 0, 0, 0}, 8, AddressClass::Reserved},
    {{192, 0, 0, 0}, 24, AddressClass::Reserved},
    {{192, 0, 2, 0}, 24, AddressClass::Reserved},
    {{198, 51, 100, 0}, 24, AddressClass::Reserved},
    {{203, 0, 113, 0}, 24, AddressClass::Reserved},
    {{192, 88, 99, 0}, 24, AddressClass::Reserved},
};

/// Where an IPv4 address is inside, if any; its bits may be turned round.
enum class Inside : std::uint8_t { Nothing, AtEnd, AtEndInverted, Behind2002 };

struct Ipv6Row {
  /// The first eight words; the last four bytes are zero in every row but that of ::1.
  std::array<std::uint8_t, 16> first;
  std::uint8_t bits;
  AddressClass what;
  Inside inside = Inside::Nothing;
};

constexpr Ipv6Row kIpv6[] = {
    {{}, 128, AddressClass::Reserved},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, AddressClass::Loopback},
    // IPv4-compatible, IPv4-mapped, IPv4-translated.
    {{}, 96, AddressClass::Reserved, Inside::AtEnd},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, AddressClass::Reserved, Inside::AtEnd},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, AddressClass::Reserved, Inside::AtEnd},
    // NAT64: the well-known prefix, and those of one network.
    {{0, 0x64, 0xff, 0x9b}, 96, AddressClass::Public, Inside::AtEnd},
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, AddressClass::Reserved, Inside::AtEnd},
    // 6to4, and the client of Teredo.
    {{0x20, 0x02}, 16, AddressClass::Reserved, Inside::Behind2002},
    {{0x20, 0x01}, 32, AddressClass::Reserved, Inside::AtEndInverted},
    {{0x20, 0x01}, 23, AddressClass::Reserved},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, AddressClass::Reserved},
    {{0x3f, 0xff}, 20, AddressClass::Reserved},
    // All that IANA gives out as global unicast.
    {{0x20}, 3, AddressClass::Public},
    {{0xfc}, 7, AddressClass::Private},
    {{0xfe, 0x80}, 10, AddressClass::LinkLocal},
    {{0xfe, 0xc0}, 10, AddressClass::LinkLocal},
    {{0xff}, 8, AddressClass::Multicast},
};

bool begins(std::span<const std::uint8_t> address, std::span<const std::uint8_t> first,
            unsigned bits) noexcept {
  const unsigned whole = bits / 8;
  for (unsigned i = 0; i < whole; ++i) {
    if (address[i] != first[i]) {
      return false;
    }
  }
  const unsigned rest = bits % 8;
  return rest == 0 || (address[whole] ^ first[whole]) >> (8 - rest) == 0;
}

AddressClass ipv4Class(std::span<const std::uint8_t> address) noexcept {
  for (const Ipv4Row& row : kIpv4) {
    if (begins(address, row.first, row.bits)) {
      return row.what;
    }
  }
  return AddressClass::Public;
}

AddressClass insideClass(std::span<const std::uint8_t> address, const Ipv6Row& row) noexcept {
  const std::size_t at = row.inside == Inside::Behind2002 ? 2 : 12;
  const auto mask = static_cast<std::uint8_t>(row.inside == Inside::AtEndInverted ? 0xff : 0);
  std::array<std::uint8_t, 4> inside;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    inside[i] = address[at + i] ^ mask;
  }
  const AddressClass found = ipv4Class(inside);
  return found == AddressClass::Public ? row.what : found;
}

} // namespace

AddressClass addressClass(std::span<const std::uint8_t> address) noexcept {
  if (address.size() == 4) {
    return ipv4Class(address);
  }
  if (address.size() == 16) {
    for (const Ipv6Row& row : kIpv6) {
      if (begins(address, row.first, row.bits)) {
        return row.inside == Inside::Nothing ? row.what : insideClass(address, row);
      }
    }
  }
  return AddressClass::Reserved;
}

} // namespace sluice::policy
