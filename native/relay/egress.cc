#include "relay/egress.h"

#include <algorithm>
#include <utility>

#include "policy/address_class.h"
#include "relay/slabs.h"

namespace sluice::relay {

namespace {

std::span<const std::uint8_t> bytesOf(const net::IpPort& address) noexcept {
  return {address.bytes.data(), address.family == AddressFamily::Ipv4 ? 4U : 16U};
}

/// What the kernel takes for this machine, whatever its interfaces are.
bool isThisMachine(std::span<const std::uint8_t> address) noexcept {
  return policy::addressClass(address) == AddressClass::Loopback ||
         std::all_of(address.begin(), address.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool isWildcard(const plan::Address& address) noexcept {
  return std::all_of(address.bytes.begin(), address.bytes.end(),
                     [](std::uint8_t byte) { return byte == 0; });
}

/// IPv6 and IPv4 in turn, beginning with the first one's family (RFC 8305, section 4).
void alternate(std::span<net::IpPort> addresses) noexcept {
  for (std::size_t at = 1; at < addresses.size(); ++at) {
    const AddressFamily last = addresses[at - 1].family;
    const auto other =
        std::find_if(addresses.begin() + static_cast<std::ptrdiff_t>(at), addresses.end(),
                     [=](const net::IpPort& one) { return one.family != last; });
    if (other == addresses.end()) {
      return;
    }
    std::rotate(addresses.begin() + static_cast<std::ptrdiff_t>(at), other, other + 1);
  }
}

} // namespace

Egress::Egress(Context& context, EgressOwner& owner, const upstream::PlanLease& plan,
               std::uint32_t listener) noexcept
    : context_(context), owner_(&owner), plan_(plan), listenerIndex_(listener), pace_(*this) {}

const plan::Listener& Egress::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Forward& Egress::forward() const noexcept {
  return *plan_->plan().forwardOf(listener());
}

void Egress::begin(const policy::Destination& destination, const net::SocketAddress& client,
                   const net::IpPort& own, const EgressLogin* login) noexcept {
  destination_ = destination;
  client_ = client;
  own_ = own;
  authenticate(login);
}

void Egress::beginAt(const policy::Destination& destination, const net::IpPort& address,
                     const net::SocketAddress& client, const net::IpPort& own) noexcept {
  destination_ = destination;
  client_ = client;
  own_ = own;
  decideByAddress({&address, 1});
}

Errc Egress::admit(const plan::User* user, const net::SocketAddress& client,
                   const net::IpPort& own) noexcept {
  client_ = client;
  own_ = own;
  user_ = user;
  return user == nullptr ? Errc::None
                         : meter_.begin(*user, context_.clock.at(context_.loop.wallMs()).day);
}

void Egress::follow(const Egress& other) noexcept {
  client_ = other.client_;
  own_ = other.own_;
  user_ = other.user_;
}

void Egress::redirect(const policy::Destination& destination) noexcept {
  upstream::NameWaiter::stopWaiting();
  destination_ = destination;
  route_ = nullptr;
  addressCount_ = 0;
  isPortRefused_ = false;
  decideByName();
}

void Egress::drop() noexcept {
  upstream::NameWaiter::stopWaiting();
  upstream::VerdictWaiter::stopWaiting();
  pace_.cancel();
  meter_.end();
  owner_ = nullptr;
  context_.loop.dispose(*this);
}

void Egress::dispose() noexcept {
  context_.slabs.egress.destroy(this);
}

void Egress::finish(Errc outcome) noexcept {
  state_ = State::Decided;
  owner_->onDecided(outcome);
}

// --- who -----------------------------------------------------------------------------------------

void Egress::authenticate(const EgressLogin* login) noexcept {
  if (forward().users == plan::kNone) {
    decideByName();
    return;
  }
  if (login == nullptr) {
    finish(Errc::ProxyAuthRequired);
    return;
  }
  const plan::Users& users = plan_->plan().users[forward().users];
  const auto known = std::find_if(users.users.begin(), users.users.end(),
                                  [&](const plan::User& user) { return user.name == login->name; });
  claimed_ = known == users.users.end() ? nullptr : &*known;
  state_ = State::Password;
  // Nobody learns from the time it takes whether a user exists: the control plane hashes either way.
  switch (
      context_.verdicts.find(users, login->name, login->password, context_.loop.nowMs(), *this)) {
  case upstream::Verdict::Right:
    admitUser();
    return;
  case upstream::Verdict::Wrong:
    finish(Errc::ProxyAuthRequired);
    return;
  case upstream::Verdict::Asked:
    return;
  }
}

void Egress::onVerdict(bool isRight) noexcept {
  if (isRight) {
    admitUser();
  } else {
    finish(Errc::ProxyAuthRequired);
  }
}

void Egress::admitUser() noexcept {
  user_ = claimed_;
  if (user_ == nullptr) {
    // The file has changed and the plan has not yet.
    finish(Errc::ProxyAuthRequired);
    return;
  }
  const Errc limit = meter_.begin(*user_, context_.clock.at(context_.loop.wallMs()).day);
  if (limit != Errc::None) {
    finish(limit);
    return;
  }
  decideByName();
}

// --- where to ------------------------------------------------------------------------------------

std::uint32_t Egress::decide(const EgressWish& wish,
                             std::span<const std::uint8_t> address) noexcept {
  const policy::Question question{.client = client_.ipBytes(),
                                  .user = user_ == nullptr ? std::string_view()
                                                           : std::string_view(user_->name),
                                  .destination = destination_,
                                  .method = wish.method,
                                  .path = wish.path,
                                  .time = context_.clock.at(context_.loop.wallMs()),
                                  .address = address};
  return policy::decide(plan_->plan(), forward(), question);
}

void Egress::enter(std::uint32_t rule) noexcept {
  route_ = &plan_->plan().routesOf(listener())[rule];
}

void Egress::decideByName() noexcept {
  const EgressWish wish = owner_->wish();
  if (wish.ports && !plan::holds(*wish.ports, destination_.port)) {
    isPortRefused_ = true;
  }
  const std::uint32_t rule = decide(wish, {});
  if (rule != policy::kNeedsAddresses) {
    enter(rule);
    if (route_->action.kind == ActionKind::Deny || isPortRefused_) {
      isPortRefused_ = isPortRefused_ && route_->action.kind != ActionKind::Deny;
      finish(Errc::DestinationDenied);
      return;
    }
    if (!destination_.isAddress() &&
        plan_->plan().pools[route_->action.pool].kind != PoolKind::Direct) {
      // Parents resolve.
      finish(Errc::None);
      return;
    }
  }
  if (destination_.isAddress()) {
    net::IpPort only;
    only.family = destination_.family;
    only.bytes = destination_.bytes;
    decideByAddress({&only, 1});
    return;
  }
  state_ = State::Name;
  const upstream::NameAnswer* known =
      context_.names.find(destination_.host(), context_.loop.nowMs(), *this);
  if (known != nullptr) {
    onName(*known);
  }
}

void Egress::onName(const upstream::NameAnswer& answer) noexcept {
  if (answer.error != Errc::None || answer.addresses.empty()) {
    finish(answer.error == Errc::None ? Errc::NameNotFound : answer.error);
    return;
  }
  decideByAddress(answer.addresses);
}

/// Each address by itself: those that a rule denies, or that are not public, fall away.
void Egress::decideByAddress(std::span<const net::IpPort> found) noexcept {
  const EgressWish wish = owner_->wish();
  const plan::Route* denying = nullptr;
  Errc why = Errc::DestinationForbidden;
  for (const net::IpPort& one : found) {
    if (addressCount_ == kMaxAddresses) {
      break;
    }
    // IPv4-mapped addresses are IPv4.
    net::IpPort address = net::IpPort::of(one.socketAddress());
    address.port = destination_.port;
    // With an address at hand there is nothing left that a rule could need.
    const plan::Route& route = plan_->plan().routesOf(listener())[decide(wish, bytesOf(address))];
    if (route.action.kind == ActionKind::Deny) {
      denying = denying == nullptr ? &route : denying;
      continue;
    }
    if (addressCount_ > 0 && route_ != &route) {
      // Under another rule than the first one that is allowed: one request has one rule.
      continue;
    }
    const bool isHandedOn = !destination_.isAddress() &&
                            plan_->plan().pools[route.action.pool].kind != PoolKind::Direct;
    if (isHandedOn) {
      // By name: what the parent makes of it is its own affair.
      route_ = &route;
      finish(isPortRefused_ ? Errc::DestinationDenied : Errc::None);
      return;
    }
    if (isOwn(address)) {
      why = Errc::ProxyLoop;
      continue;
    }
    if (!isPermitted(address)) {
      route_ = addressCount_ == 0 ? &route : route_;
      continue;
    }
    route_ = &route;
    addresses_[addressCount_++] = address;
  }
  if (addressCount_ > 0) {
    alternate({addresses_.data(), addressCount_});
    finish(isPortRefused_ ? Errc::DestinationDenied : Errc::None);
    return;
  }
  isPortRefused_ = false;
  if (denying != nullptr) {
    route_ = denying;
    why = Errc::DestinationDenied;
  }
  finish(why);
}

bool Egress::isPermitted(const net::IpPort& address) const noexcept {
  const std::span<const std::uint8_t> bytes = bytesOf(address);
  const std::span<const plan::Cidr> permitted = forward().privateDestinations;
  return policy::addressClass(bytes) == AddressClass::Public ||
         std::any_of(permitted.begin(), permitted.end(),
                     [=](const plan::Cidr& block) { return block.contains(bytes); });
}

/// The listener that the client came to: whoever connects to it again goes round in a circle.
bool Egress::isOwn(const net::IpPort& address) const noexcept {
  if (!own_.isKnown() || address.port != own_.port) {
    return false;
  }
  return (address.family == own_.family && address.bytes == own_.bytes) ||
         (isWildcard(listener().address) && isThisMachine(bytesOf(address)));
}

} // namespace sluice::relay
