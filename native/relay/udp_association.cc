#include "relay/udp_association.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "relay/slabs.h"

namespace sluice::relay {

namespace {

/// Places at a time; the one used least recently goes.
constexpr std::uint16_t kMaxPlaces = 256;
/// Of these, that nobody has decided on yet; and what may wait for that.
constexpr std::uint8_t kMaxAsked = 16;
constexpr std::uint8_t kMaxWaiting = 8;
/// How long a decision holds: names move, and rules look at the clock.
constexpr std::uint64_t kDecisionMs = 30'000;
/// A user may be this far ahead of its bandwidth; what comes beyond is dropped, since datagrams do
/// not wait.
constexpr std::uint32_t kSlackMs = 150;
/// Datagrams of one receive, and receives before others get their turn.
constexpr std::uint32_t kBatch = 32;
constexpr int kBatchesPerTurn = 4;

static_assert(socks::kMaxDatagramHeaderBytes <= net::DatagramInbox::kHeadroom);

std::uint8_t deskOf(AddressFamily family) noexcept {
  return family == AddressFamily::Ipv6 ? 1 : 0;
}

/// FNV-1a.
std::uint32_t hashOf(std::string_view bytes, std::uint16_t port) noexcept {
  std::uint32_t hash = 0x811c9dc5U ^ port;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  }
  return hash;
}

std::string_view textOf(const net::IpPort& address) noexcept {
  // RULE: bytes of an address are unsigned where addresses are, and text where messages are.
  return {reinterpret_cast<const char*>(address.bytes.data()),
          address.family == AddressFamily::Ipv4 ? 4U : 16U};
}

bool isSameHost(const net::IpPort& a, const net::IpPort& b) noexcept {
  return a.family == b.family && textOf(a) == textOf(b);
}

} // namespace

bool readHost(const socks::Address& address, policy::Destination& out) noexcept {
  switch (address.type) {
  case socks::AddressType::Ipv4:
  case socks::AddressType::Ipv6:
    policy::setDestinationAddress(
        // RULE: as above.
        {reinterpret_cast<const std::uint8_t*>(address.host.data()), address.host.size()}, out);
    return true;
  case socks::AddressType::Name:
    return policy::parseDestinationHost(address.host, out);
  case socks::AddressType::Unknown:
    return false;
  }
  return false;
}

bool DatagramDesk::open() noexcept {
  for (std::uint8_t family = 0; family < 2; ++family) {
    const net::DatagramTraits traits{
        .local = {}, .isIpv6 = family == 1, .isWildcard = false, .canSegment = false};
    if (in[family] == nullptr) {
      in[family] = net::DatagramInbox::make(&traits);
    }
    if (out[family] == nullptr) {
      out[family] = net::DatagramOutbox::make(&traits, false);
    }
    if (in[family] == nullptr || out[family] == nullptr) {
      return false;
    }
  }
  return true;
}

EgressWish UdpPlace::wish() noexcept {
  return {.method = "SOCKS", .path = {}, .ports = association.forward().socksPorts};
}

void UdpPlace::onDecided(Errc outcome) noexcept {
  association.onDecided(*this, outcome);
}

UdpAssociation::UdpAssociation(Context& context, UdpAssociationOwner& owner,
                               const upstream::PlanLease& plan, std::uint32_t listener) noexcept
    : context_(context), owner_(&owner), plan_(plan), listenerIndex_(listener),
      counted_(context.shard(plan->plan().listeners[listener].stats)),
      inner_(*this), outers_{Socket(*this), Socket(*this)}, idle_(*this) {}

const plan::Listener& UdpAssociation::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Forward& UdpAssociation::forward() const noexcept {
  return *plan_->plan().forwardOf(listener());
}

void UdpAssociation::onDropped(std::uint64_t datagrams) noexcept {
  for (; datagrams > 0; --datagrams) {
    counted_.error(Errc::DatagramDropped);
  }
}

// --- sockets -------------------------------------------------------------------------------------

Status UdpAssociation::openSocket(Socket& socket, net::SocketAddress& local) noexcept {
  Result<UniqueFd> opened = net::openDatagrams(local);
  if (!opened) {
    return Unexpected{opened.error()};
  }
  socket.fd = std::move(*opened);
  socket.family = deskOf(local.family());
  const Status watched = context_.loop.watch(socket.fd.get(), net::kArrivals, socket);
  if (!watched) {
    socket.fd.reset();
  }
  return watched;
}

Errc UdpAssociation::open(const UdpOpening& opening, net::IpPort& bound) noexcept {
  egress_ = &opening.egress;
  client_ = net::IpPort::of(opening.client);
  net::IpPort here = net::IpPort::of(opening.local);
  if (!client_.isKnown() || !here.isKnown()) {
    return Errc::Internal;
  }
  if (!context_.slabs.datagrams.open()) {
    return Errc::OutOfMemory;
  }
  here.port = 0;
  net::SocketAddress local = here.socketAddress();
  if (const Status opened = openSocket(inner_, local); !opened) {
    return opened.error();
  }
  bound = net::IpPort::of(local);
  // What a client behind a translator of addresses says of itself is not what we see.
  policy::Destination claimed;
  const bool isMeant = readHost(opening.claimed, claimed) && claimed.isAddress() &&
                       (std::all_of(claimed.bytes.begin(), claimed.bytes.end(),
                                    [](auto byte) { return byte == 0; }) ||
                        (claimed.family == client_.family && claimed.bytes == client_.bytes));
  client_.port = isMeant ? opening.claimed.port : std::uint16_t{0};
  clientPath_ = net::DatagramPath::towards(client_.socketAddress());
  context_.loop.arm(idle_, listener().timeouts.idleMs);
  return Errc::None;
}

/// Null when there can be none.
UdpAssociation::Socket* UdpAssociation::outer(AddressFamily family) noexcept {
  Socket& socket = outers_[deskOf(family)];
  if (socket.fd.isOpen()) {
    return &socket;
  }
  net::SocketAddress local = context_.sourceFor(forward(), family);
  if (local.length() == 0) {
    constexpr std::array<std::uint8_t, 16> kAny{};
    local = net::SocketAddress::ip(family, kAny, 0);
  }
  return openSocket(socket, local) ? &socket : nullptr;
}

void UdpAssociation::onReadable(Socket& socket) noexcept {
  for (int i = 0; i < kBatchesPerTurn && !isOver_; ++i) {
    const bool isDrained = &socket == &inner_ ? receiveFromClient() : receiveAnswers(socket);
    finishBatch();
    if (isDrained) {
      return;
    }
  }
  if (!isOver_) {
    context_.loop.queue(socket);
  }
}

/// May end the association.
void UdpAssociation::finishBatch() noexcept {
  if (isQuotaOver_ && !isOver_) {
    owner_->onAssociationEnd(Errc::UserQuota);
  } else if (std::exchange(hasMoved_, false)) {
    context_.loop.arm(idle_, listener().timeouts.idleMs);
  }
}

void UdpAssociation::flush(std::uint8_t family, Socket& socket) noexcept {
  net::DatagramOutbox& outbox = *context_.slabs.datagrams.out[family];
  if (!outbox.isEmpty()) {
    outbox.flush(socket.fd.get());
    onDropped(outbox.takeTally().dropped);
  }
}

void UdpAssociation::flushOuter() noexcept {
  for (Socket& socket : outers_) {
    if (socket.fd.isOpen()) {
      flush(socket.family, socket);
    }
  }
}

// --- from the client -----------------------------------------------------------------------------

/// True when nothing more is there.
bool UdpAssociation::receiveFromClient() noexcept {
  net::DatagramInbox& inbox = *context_.slabs.datagrams.in[inner_.family];
  const net::Received received = inbox.receive(inner_.fd.get(), 0, kBatch);
  for (std::uint32_t slot = 0; slot < received.count && !isQuotaOver_; ++slot) {
    takeFromClient(slot);
  }
  flushOuter();
  return received.isDrained;
}

void UdpAssociation::takeFromClient(std::uint32_t slot) noexcept {
  const net::DatagramInbox& inbox = *context_.slabs.datagrams.in[inner_.family];
  const net::IpPort from = net::IpPort::of(inbox.path(slot).client());
  if (!isSameHost(from, client_) || (client_.port != 0 && client_.port != from.port)) {
    return;
  }
  net::Parcel parcel = inbox.parcel(slot);
  socks::DatagramHeader header;
  policy::Destination destination;
  const bool isGood = !parcel.isTruncated &&
                      socks::readDatagram({parcel.data, parcel.size}, header) &&
                      header.address.port != 0 && readHost(header.address, destination);
  if (!isGood) {
    onDropped(1);
    return;
  }
  destination.port = header.address.port;
  if (client_.port == 0) {
    client_.port = from.port;
    clientPath_ = net::DatagramPath::towards(client_.socketAddress());
  }
  UdpPlace* place = findPlace(destination);
  if (place == nullptr) {
    onDropped(1);
    return;
  }
  parcel.data += header.bytes;
  parcel.size -= static_cast<std::uint32_t>(header.bytes);
  carry(*place, parcel);
}

void UdpAssociation::carry(UdpPlace& place, net::Parcel payload) noexcept {
  touch(place);
  const bool isDue = place.askedMs == 0 || context_.loop.nowMs() - place.askedMs > kDecisionMs;
  if (isDue && place.asking == nullptr && asked_ < kMaxAsked) {
    ask(place);
  }
  if (place.asking == nullptr || place.address.isKnown()) {
    send(place, payload);
  } else {
    keepWaiting(place, payload);
  }
}

void UdpAssociation::keepWaiting(UdpPlace& place, net::Parcel payload) noexcept {
  BufferPool& buffers = context_.loop.buffers();
  const std::array<char, 2> size{static_cast<char>(payload.size >> 8),
                                 static_cast<char>(payload.size & 0xff)};
  const std::size_t needed = size.size() + payload.size;
  if (place.waitingCount == kMaxWaiting || place.waiting.size() + needed > BufferPool::kLargest ||
      !place.waiting.append(buffers, {size.data(), size.size()})) {
    onDropped(1);
    return;
  }
  ++place.waitingCount;
  if (!place.waiting.append(buffers, {payload.data, payload.size})) {
    // The length stands there without its payload: give all of it up.
    onDropped(std::exchange(place.waitingCount, std::uint8_t{0}));
    place.waiting.clear(buffers);
  }
}

void UdpAssociation::sendWaiting(UdpPlace& place) noexcept {
  ByteQueue waiting;
  waiting.adopt(place.waiting);
  place.waitingCount = 0;
  // What the outbox is given is only read.
  std::string_view rest = waiting.view();
  while (rest.size() >= 2) {
    const auto size = static_cast<std::uint32_t>(static_cast<unsigned char>(rest[0]) << 8 |
                                                 static_cast<unsigned char>(rest[1]));
    send(place, {.data = const_cast<char*>(rest.data()) + 2, .size = size});
    rest.remove_prefix(2 + size);
  }
  flushOuter();
  waiting.clear(context_.loop.buffers());
}

/// Gathers it; to be flushed before the bytes go.
void UdpAssociation::send(UdpPlace& place, net::Parcel payload) noexcept {
  if (!place.address.isKnown() || isQuotaOver_) {
    return;
  }
  Socket* socket = outer(place.address.family);
  if (socket == nullptr || !mayPass(payload.size, true)) {
    onDropped(1);
    return;
  }
  const std::uint32_t bytes = payload.size;
  net::DatagramOutbox& outbox = *context_.slabs.datagrams.out[socket->family];
  while (!outbox.add(payload, &place.path)) {
    flush(socket->family, *socket);
  }
  hasMoved_ = true;
  bytesIn_ += bytes;
  counted_.add(Counter::DatagramsIn);
  counted_.add(Counter::BytesIn, bytes);
  place.stats.add(Counter::DatagramsIn);
  place.stats.add(Counter::BytesIn, bytes);
}

// --- to the client -------------------------------------------------------------------------------

/// True when nothing more is there.
bool UdpAssociation::receiveAnswers(Socket& socket) noexcept {
  net::DatagramInbox& inbox = *context_.slabs.datagrams.in[socket.family];
  const net::Received received = inbox.receive(socket.fd.get(), 0, kBatch);
  for (std::uint32_t slot = 0; slot < received.count && !isQuotaOver_; ++slot) {
    takeAnswer(socket, slot);
  }
  flush(inner_.family, inner_);
  return received.isDrained;
}

void UdpAssociation::takeAnswer(const Socket& socket, std::uint32_t slot) noexcept {
  const net::DatagramInbox& inbox = *context_.slabs.datagrams.in[socket.family];
  const net::IpPort from = net::IpPort::of(inbox.path(slot).client());
  UdpPlace* place = findOrigin(from);
  if (place == nullptr) {
    return;
  }
  net::Parcel parcel = inbox.parcel(slot);
  if (parcel.isTruncated || !mayPass(parcel.size, false)) {
    onDropped(1);
    return;
  }
  const std::uint32_t bytes = parcel.size;
  std::array<char, socks::kMaxDatagramHeaderBytes> space;
  const bool isIpv4 = from.family == AddressFamily::Ipv4;
  const std::string_view header = socks::writeDatagramHeader(
      {.type = isIpv4 ? socks::AddressType::Ipv4 : socks::AddressType::Ipv6,
       .port = from.port,
       .host = textOf(from)},
      space);
  parcel.data -= header.size();
  parcel.size += static_cast<std::uint32_t>(header.size());
  std::memcpy(parcel.data, header.data(), header.size());
  net::DatagramOutbox& outbox = *context_.slabs.datagrams.out[inner_.family];
  while (!outbox.add(parcel, &clientPath_)) {
    flush(inner_.family, inner_);
  }
  hasMoved_ = true;
  bytesOut_ += bytes;
  counted_.add(Counter::DatagramsOut);
  counted_.add(Counter::BytesOut, bytes);
  place->stats.add(Counter::DatagramsOut);
  place->stats.add(Counter::BytesOut, bytes);
}

/// Counts for the user, unless there is too much of it.
bool UdpAssociation::mayPass(std::uint32_t bytes, bool isIn) noexcept {
  UserMeter& meter = egress_->meter();
  if (meter.user() == nullptr) {
    return true;
  }
  if (meter.pauseMs(context_.loop.nowNs()) > kSlackMs) {
    return false;
  }
  if (isIn) {
    meter.countIn(bytes);
  } else {
    meter.countOut(bytes);
  }
  isQuotaOver_ = !meter.hasQuotaLeft(context_.clock, context_.loop.wallMs());
  return !isQuotaOver_;
}

// --- places --------------------------------------------------------------------------------------

/// Found, or made. Null when there is no memory.
UdpPlace* UdpAssociation::findPlace(const policy::Destination& destination) noexcept {
  const std::uint32_t hash = hashOf(destination.host(), destination.port);
  UdpPlace*& bucket = byName_[hash % kBuckets];
  for (UdpPlace* place = bucket; place != nullptr; place = place->nextByName) {
    if (place->destination.port == destination.port &&
        place->destination.host() == destination.host()) {
      return place;
    }
  }
  if (placeCount_ == kMaxPlaces) {
    forget(*oldest_);
  }
  UdpPlace* place = context_.slabs.udpPlace.make(*this, destination, hash);
  if (place != nullptr) {
    place->nextByName = bucket;
    bucket = place;
    ++placeCount_;
    touch(*place);
  }
  return place;
}

UdpPlace* UdpAssociation::findOrigin(const net::IpPort& address) noexcept {
  UdpPlace* place = byOrigin_[hashOf(textOf(address), address.port) % kBuckets];
  while (place != nullptr &&
         (place->address.port != address.port || !isSameHost(place->address, address))) {
    place = place->nextByOrigin;
  }
  return place;
}

void UdpAssociation::ask(UdpPlace& place) noexcept {
  Egress* egress = context_.slabs.egress.make(context_, place, plan_, listenerIndex_);
  if (egress == nullptr) {
    return;
  }
  place.asking = egress;
  place.askedMs = std::max<std::uint64_t>(1, context_.loop.nowMs());
  ++asked_;
  egress->follow(*egress_);
  // May decide before it returns.
  egress->redirect(place.destination);
}

void UdpAssociation::onDecided(UdpPlace& place, Errc outcome) noexcept {
  Egress* egress = std::exchange(place.asking, nullptr);
  --asked_;
  const plan::Route* route = egress->route();
  const plan::Plan& plan = plan_->plan();
  place.stats = {};
  if (route != nullptr) {
    place.stats.route = &context_.shard(route->stats);
  }
  if (outcome == Errc::None && plan.pools[route->action.pool].kind != PoolKind::Direct) {
    // Parents are for connections: what would have to go through one goes nowhere.
    outcome = Errc::DestinationDenied;
  }
  net::IpPort address;
  if (outcome == Errc::None) {
    const plan::Pool& pool = plan.pools[route->action.pool];
    place.stats.pool = &context_.shard(pool.stats);
    place.stats.target = &context_.shard(plan.targetsOf(pool).front().stats);
    const auto addresses = egress->addresses();
    // Where a machine has no way to one, it may have a way to the next.
    const auto reachable =
        addresses.size() < 2
            ? addresses.begin()
            : std::find_if(addresses.begin(), addresses.end(), [](const net::IpPort& one) {
                return net::connectDatagrams(one.socketAddress(), false).has_value();
              });
    address = reachable == addresses.end() ? addresses.front() : *reachable;
  } else {
    counted_.error(outcome);
    place.stats.error(outcome);
  }
  egress->drop();
  reach(place, address);
  if (!place.waiting.isEmpty()) {
    sendWaiting(place);
    finishBatch();
  }
}

/// From now on it is sent to that address, and heard from it.
void UdpAssociation::reach(UdpPlace& place, const net::IpPort& address) noexcept {
  unlinkOrigin(place);
  place.address = address;
  if (!address.isKnown()) {
    return;
  }
  place.path = net::DatagramPath::towards(address.socketAddress());
  place.originHash = hashOf(textOf(address), address.port);
  UdpPlace*& bucket = byOrigin_[place.originHash % kBuckets];
  place.nextByOrigin = bucket;
  bucket = &place;
}

void UdpAssociation::unlinkOrigin(UdpPlace& place) noexcept {
  if (!place.address.isKnown()) {
    return;
  }
  UdpPlace** at = &byOrigin_[place.originHash % kBuckets];
  while (*at != &place) {
    at = &(*at)->nextByOrigin;
  }
  *at = place.nextByOrigin;
  place.nextByOrigin = nullptr;
}

void UdpAssociation::unlink(UdpPlace& place) noexcept {
  (place.older != nullptr ? place.older->newer : oldest_) = place.newer;
  (place.newer != nullptr ? place.newer->older : newest_) = place.older;
}

void UdpAssociation::touch(UdpPlace& place) noexcept {
  if (newest_ == &place) {
    return;
  }
  if (place.older != nullptr || oldest_ == &place) {
    unlink(place);
  }
  place.older = newest_;
  place.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &place;
  newest_ = &place;
}

void UdpAssociation::forget(UdpPlace& place) noexcept {
  if (place.asking != nullptr) {
    std::exchange(place.asking, nullptr)->drop();
    --asked_;
  }
  unlinkOrigin(place);
  UdpPlace** at = &byName_[place.nameHash % kBuckets];
  while (*at != &place) {
    at = &(*at)->nextByName;
  }
  *at = place.nextByName;
  unlink(place);
  place.waiting.clear(context_.loop.buffers());
  --placeCount_;
  context_.slabs.udpPlace.destroy(&place);
}

// --- the end -------------------------------------------------------------------------------------

void UdpAssociation::drop() noexcept {
  isOver_ = true;
  owner_ = nullptr;
  idle_.cancel();
  for (Socket* socket : {&inner_, &outers_[0], &outers_[1]}) {
    context_.loop.unqueue(*socket);
    if (socket->fd.isOpen()) {
      context_.loop.forget(*socket);
      socket->fd.reset();
    }
  }
  while (oldest_ != nullptr) {
    forget(*oldest_);
  }
  context_.loop.dispose(*this);
}

void UdpAssociation::dispose() noexcept {
  context_.slabs.association.destroy(this);
}

} // namespace sluice::relay
