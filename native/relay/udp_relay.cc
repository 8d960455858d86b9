#include "relay/udp_relay.h"

#include <sys/epoll.h>

#include <algorithm>
#include <new>
#include <utility>

#include "balance/ejection.h"
#include "balance/hash.h"
#include "balance/pick.h"
#include "relay/access_log.h"

namespace sluice::relay {

namespace {

constexpr std::uint32_t kReadable = static_cast<std::uint32_t>(EPOLLIN) | EPOLLET;
/// Batches from clients before targets get their turn.
constexpr int kBatchesPerTurn = 4;
/// Replies that one session may bring before the next session gets its turn.
constexpr std::uint32_t kReplyBatch = 16;
/// Sessions that one sweep may end, so that it does not hold up the traffic.
constexpr int kSweepBatch = 512;
constexpr std::uint32_t kMaxTries = 4;

} // namespace

/// One client's datagrams to one target. Made in the relay's slab, buried at the end of the turn it
/// ends in.
struct UdpSession final : public net::Source, public net::Disposable {
  UdpSession(UdpRelay& owner, const UdpClient& from, const net::IpPort& to,
             std::uint64_t clientHash) noexcept
      : relay(owner), client(from), destination(to), hash(clientHash), plan(owner.context_.current),
        listener(owner.slot_->index) {}

  void onEvents(std::uint32_t) noexcept override { relay.onReplies(*this); }
  void dispose() noexcept override { relay.onBuried(*this); }

  [[nodiscard]] const plan::Listener& listenerPlan() const noexcept {
    return plan->plan().listeners[listener];
  }
  [[nodiscard]] const plan::Pool& pool() const noexcept {
    return plan->plan().pools[static_cast<std::size_t>(listenerPlan().pool)];
  }
  [[nodiscard]] const plan::Target& targetPlan() const noexcept {
    return plan->plan().targets[target];
  }
  [[nodiscard]] bool awaitsReplies() const noexcept { return replies < responses; }

  UdpRelay& relay;
  UdpClient client;
  /// Where the client sent to, as a PROXY header says; unknown: here.
  net::IpPort destination;
  std::uint64_t hash;
  UniqueFd upstream;
  bool isEnded = false;
  /// Of the batch being worked off: the slots with this session's datagrams, linked by following_.
  std::uint8_t first = UdpRelay::kNoSlot;
  std::uint8_t last = UdpRelay::kNoSlot;
  FlowStats stats;
  plan::TargetState* state = nullptr;
  UdpSession* older = nullptr;
  UdpSession* newer = nullptr;
  std::uint64_t lastUsedMs = 0;
  std::uint64_t bytesIn = 0;
  std::uint64_t bytesOut = 0;
  /// Replies after which it ends; 0 = any number.
  std::uint32_t responses = 0;
  std::uint32_t replies = 0;
  std::uint64_t startNs = 0;
  upstream::PlanLease plan;
  std::uint32_t listener;
  std::uint32_t target = 0;
  /// What each datagram to the target begins with.
  std::array<char, net::kMaxSentDatagramHeaderBytes> prefaceBytes;
  std::string_view preface;
};

UdpRelay::UdpRelay(Context& context, ListenerSlot& slot, UniqueFd socket) noexcept
    : context_(context), slot_(&slot), socket_(std::move(socket)), seed_(net::secretWord()),
      sweep_(*this) {}

UdpRelay::~UdpRelay() = default;

void UdpRelay::readPlan() noexcept {
  const upstream::ActivePlan* current = &*context_.current;
  if (isClosed_ || (current == readPlan_ && current->plan().version == readVersion_)) {
    return;
  }
  readPlan_ = current;
  readVersion_ = current->plan().version;
  const plan::Listener& listener = current->plan().listeners[slot_->index];
  stats_ = listener.stats;
  idleMs_ = listener.timeouts.idleMs;
  headers_ = listener.proxyProtocol;
  // The configured bound is the process's; each worker holds its share.
  const std::size_t workers = stats_->shards().size();
  maxSessions_ = std::max<std::size_t>(1, (listener.maxSessions + workers - 1) / workers);
  sweep_.disarm();
  armSweep();
}

void UdpRelay::onDropped(std::uint64_t datagrams) noexcept {
  plan::StatShard& shard = context_.shard(stats_);
  for (; datagrams > 0; --datagrams) {
    shard.error(Errc::DatagramDropped);
  }
}

// Sessions

void UdpRelay::unlink(UdpSession& session) noexcept {
  (session.older != nullptr ? session.older->newer : oldest_) = session.newer;
  (session.newer != nullptr ? session.newer->older : newest_) = session.older;
}

void UdpRelay::touch(UdpSession& session) noexcept {
  session.lastUsedMs = context_.loop.nowMs();
  if (newest_ == &session) {
    return;
  }
  if (session.older != nullptr || oldest_ == &session) {
    unlink(session);
  }
  session.older = newest_;
  session.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &session;
  newest_ = &session;
}

Result<UniqueFd> UdpRelay::connect(const net::SocketAddress& target, bool wantsRuns) noexcept {
  Result<UniqueFd> connected = net::connectDatagrams(target, wantsRuns);
  if (!connected && errcInfo(connected.error()).side == Side::Internal && oldest_ != nullptr) {
    // Descriptors, memory or ports have run out: the session used least recently has to give up its
    // own.
    evictOldest();
    connected = net::connectDatagrams(target, wantsRuns);
  }
  return connected;
}

/// Picks a target and opens the upstream socket.
Errc UdpRelay::reach(UdpSession& session) noexcept {
  const plan::Plan& plan = session.plan->plan();
  const plan::Pool& pool = session.pool();
  const net::SocketAddress client = session.client.address();
  std::array<std::uint32_t, kMaxTries> tried{};
  const std::uint32_t allowed = std::min(pool.retries + 1, kMaxTries);
  Errc failure = Errc::NoTarget;
  for (std::uint32_t tries = 0; tries < allowed;) {
    const balance::PickInput input{.key = balance::hashKey(client.ipBytes()),
                                   .rng = context_.rng,
                                   .nowMs = context_.loop.nowMs(),
                                   .excluded = {tried.data(), tries}};
    std::int32_t picked = balance::pick(plan, pool, input);
    if (picked < 0) {
      picked = balance::lastResort(plan, pool, input);
    }
    if (picked < 0) {
      return failure;
    }
    tried[tries++] = static_cast<std::uint32_t>(picked);
    session.target = pool.targets.first + static_cast<std::uint32_t>(picked);
    // Replies are counted one by one where their number ends the session.
    Result<UniqueFd> connected =
        connect(session.plan->pool(session.target)->address(), session.responses == 0);
    if (connected) {
      session.upstream = std::move(*connected);
      return Errc::None;
    }
    failure = connected.error();
    if (errcInfo(failure).side == Side::Internal) {
      return failure;
    }
    const plan::Target& target = session.targetPlan();
    balance::onFailure(pool, *target.state, failure, context_.loop.nowMs());
    context_.shard(target.stats).error(failure);
  }
  return failure;
}

void UdpRelay::writePreface(UdpSession& session) noexcept {
  const net::DatagramPath& path = session.client.path;
  const std::uint16_t port = traits_.local.port();
  const net::SocketAddress local = traits_.isWildcard ? path.local(port) : traits_.local;
  session.preface = net::writeDatagramHeader(net::IpPort::of(session.client.address()),
                                             session.destination.isKnown() ? session.destination
                                                                           : net::IpPort::of(local),
                                             session.prefaceBytes);
}

/// Null when there can be no session now; the reason has been counted.
UdpSession* UdpRelay::begin(const UdpClient& client, const net::IpPort& destination,
                            std::uint64_t hash) noexcept {
  if (isClosed_) {
    onDropped(1);
    return nullptr;
  }
  while (table_.size() >= maxSessions_) {
    evictOldest();
  }
  UdpSession* session = slab_.make(*this, client, destination, hash);
  if (session == nullptr) {
    context_.shard(stats_).error(Errc::OutOfMemory);
    return nullptr;
  }
  session->responses = session->listenerPlan().responses;
  session->stats.listener = &context_.shard(session->listenerPlan().stats);
  session->stats.pool = &context_.shard(session->pool().stats);
  Errc failure = reach(*session);
  if (failure == Errc::None && !table_.insert(*session)) {
    failure = Errc::OutOfMemory;
  } else if (failure == Errc::None &&
             !context_.loop.watch(session->upstream.get(), kReadable, *session)) {
    table_.erase(*session);
    failure = Errc::OutOfMemory;
  }
  if (failure != Errc::None) {
    session->stats.error(failure);
    slab_.destroy(session);
    return nullptr;
  }
  if (session->pool().proxyProtocol != ProxySend::Off) {
    writePreface(*session);
  }
  session->stats.target = &context_.shard(session->targetPlan().stats);
  session->stats.add(Counter::Connections);
  session->stats.add(Counter::Active);
  session->state = session->targetPlan().state.get();
  // Relaxed: a count that strategies read, which orders nothing.
  session->state->inFlight.fetch_add(1, std::memory_order_relaxed);
  session->startNs = context_.loop.nowNs();
  touch(*session);
  armSweep();
  return session;
}

void UdpRelay::evictOldest() noexcept {
  UdpSession& session = *oldest_;
  // What it got in this batch is still its own, unless the outbox is at work for another session.
  if (session.first != kNoSlot && toTarget_->isEmpty()) {
    sendToTarget(session);
  }
  if (!session.isEnded) {
    context_.shard(session.pool().stats).error(Errc::SessionEvicted);
    context_.shard(stats_).error(Errc::SessionEvicted);
    end(session, Errc::SessionEvicted);
  }
}

/// ICMP says that nobody listens there: the client's next datagram picks again.
void UdpRelay::onUnreachable(UdpSession& session) noexcept {
  session.stats.error(Errc::TargetUnreachable);
  balance::onFailure(session.pool(), *session.state, Errc::TargetUnreachable,
                     context_.loop.nowMs());
  end(session, Errc::TargetUnreachable);
}

void UdpRelay::end(UdpSession& session, Errc why) noexcept {
  session.isEnded = true;
  dropChain(session);
  table_.erase(session);
  unlink(session);
  context_.loop.unqueue(session);
  context_.loop.forget(session);
  session.upstream.reset();
  session.stats.sub(Counter::Active);
  session.state->inFlight.fetch_sub(1, std::memory_order_relaxed);
  writeSessionLog(session, why);
  context_.loop.dispose(session);
  finishWhenDone();
}

void UdpRelay::writeSessionLog(const UdpSession& session, Errc why) noexcept {
  const std::uint16_t log = session.plan->log(session.listener);
  if (log == upstream::ActivePlan::kNoLog) {
    return;
  }
  writeLog(context_, log, *session.stats.listener,
           {.client = session.client.address(),
            .listener = session.listenerPlan().name,
            .bytesIn = session.bytesIn,
            .bytesOut = session.bytesOut,
            .durationNs = context_.loop.nowNs() - session.startNs,
            .target = session.targetPlan().name,
            .error = why});
}

void UdpRelay::onBuried(UdpSession& session) noexcept {
  slab_.destroy(&session);
  if (isFinished_ && slab_.live() == 0) {
    context_.loop.dispose(*this);
  }
}

void UdpRelay::finishWhenDone() noexcept {
  if (!isClosed_ || isFinished_ || table_.size() > 0) {
    return;
  }
  isFinished_ = true;
  sendReplies();
  sweep_.cancel();
  context_.loop.unqueue(*this);
  context_.loop.unwatch(socket_.get(), *this);
  socket_.reset();
  context_.loop.settle();
  context_.flows.remove(*this);
  if (slab_.live() == 0) {
    context_.loop.dispose(*this);
  }
}

void UdpRelay::armSweep() noexcept {
  if (oldest_ != nullptr && !sweep_.isArmed()) {
    const std::uint64_t due = oldest_->lastUsedMs + idleMs_;
    const std::uint64_t now = context_.loop.nowMs();
    context_.loop.arm(sweep_, due > now ? due - now : 1);
  }
}

void UdpRelay::onTimer(net::Timer&) noexcept {
  readPlan();
  const std::uint64_t now = context_.loop.nowMs();
  for (int i = 0; i < kSweepBatch && oldest_ != nullptr && oldest_->lastUsedMs + idleMs_ <= now;
       ++i) {
    end(*oldest_, Errc::None);
  }
  armSweep();
}

// From the target to the client

void UdpRelay::sendReplies() noexcept {
  if (!toClients_->isEmpty()) {
    toClients_->flush(socket_.get());
    onDropped(toClients_->takeTally().dropped);
  }
  replySlots_ = 0;
}

net::Received UdpRelay::receiveReplies(UdpSession& session) noexcept {
  if (replySlots_ + kReplyBatch > net::DatagramInbox::kSlots) {
    sendReplies();
  }
  const net::Received received =
      fromTargets_->receive(session.upstream.get(), replySlots_, kReplyBatch);
  if (received.count > 0) {
    takeReplies(session, received.count);
  }
  return received;
}

void UdpRelay::takeReplies(UdpSession& session, std::uint32_t count) noexcept {
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  for (std::uint32_t slot = replySlots_; slot < replySlots_ + count; ++slot) {
    net::Parcel parcel = fromTargets_->parcel(slot);
    const bool isBeyond = session.responses > 0 && !session.awaitsReplies();
    if (parcel.isTruncated || isBeyond) {
      onDropped(parcel.datagrams());
      continue;
    }
    session.replies += parcel.datagrams();
    datagrams += parcel.datagrams();
    bytes += parcel.size;
    while (!toClients_->add(parcel, &session.client.path)) {
      toClients_->flush(socket_.get());
    }
  }
  replySlots_ += count;
  context_.loop.queue(*this);
  session.bytesOut += bytes;
  session.stats.add(Counter::DatagramsOut, datagrams);
  session.stats.add(Counter::BytesOut, bytes);
  balance::onSuccess(*session.state);
  touch(session);
  if (session.responses > 0 && !session.awaitsReplies()) {
    end(session, Errc::None);
  }
}

void UdpRelay::onReplies(UdpSession& session) noexcept {
  if (session.isEnded) {
    return;
  }
  const net::Received received = receiveReplies(session);
  if (received.failure != Errc::None) {
    // The kernel tells of the error before it hands out what had arrived.
    static_cast<void>(receiveReplies(session));
    if (!session.isEnded) {
      onUnreachable(session);
    }
  } else if (!received.isDrained && !session.isEnded) {
    context_.loop.queue(session);
  }
}

// From the client to the target

void UdpRelay::dropChain(UdpSession& session) noexcept {
  std::uint8_t slot = std::exchange(session.first, kNoSlot);
  for (; slot != kNoSlot; slot = following_[slot]) {
    onDropped(fromClients_->parcel(slot).datagrams());
  }
}

void UdpRelay::countSent(UdpSession& session) noexcept {
  const net::SendTally tally = toTarget_->takeTally();
  session.bytesIn += tally.bytes;
  session.stats.add(Counter::DatagramsIn, tally.datagrams);
  session.stats.add(Counter::BytesIn, tally.bytes);
  onDropped(tally.dropped);
}

/// Sends what the outbox holds. When the target turns out to be gone the rest goes to another one,
/// once. Returns the session that the rest of the client's datagrams belongs to, or null: drop
/// them.
UdpSession* UdpRelay::pushToTarget(UdpSession* session) noexcept {
  const UdpClient client = session->client;
  const net::IpPort destination = session->destination;
  const std::uint64_t hash = session->hash;
  for (int attempt = 0; attempt < 2 && session != nullptr; ++attempt) {
    const Errc failure = toTarget_->flush(session->upstream.get());
    countSent(*session);
    if (failure == Errc::None) {
      return session;
    }
    const bool hadPreface = !session->preface.empty();
    onUnreachable(*session);
    session = attempt == 0 ? begin(client, destination, hash) : nullptr;
    if (session != nullptr && session->preface.empty() == hadPreface) {
      // A reload has changed what datagrams to targets begin with, and these are made up already.
      toTarget_->discard();
      onDropped(toTarget_->takeTally().dropped);
    }
  }
  toTarget_->discard();
  onDropped(toTarget_->takeTally().dropped);
  return nullptr;
}

/// Puts it into the outbox, which holds datagrams of the session alone; that may come to be another
/// one, or null: it is dropped.
void UdpRelay::put(UdpSession*& session, net::Parcel parcel) noexcept {
  while (session != nullptr &&
         !(session->preface.empty() ? toTarget_->add(parcel, nullptr)
                                    : toTarget_->addBehind(session->preface, parcel))) {
    session = pushToTarget(session);
  }
  if (session == nullptr) {
    onDropped(parcel.datagrams());
  }
}

void UdpRelay::sendToTarget(UdpSession& addressed) noexcept {
  UdpSession* session = &addressed;
  std::uint8_t slot = std::exchange(session->first, kNoSlot);
  for (; slot != kNoSlot; slot = following_[slot]) {
    put(session, fromClients_->parcel(slot));
  }
  if (session != nullptr) {
    static_cast<void>(pushToTarget(session));
  }
}

void UdpRelay::assign(UdpSession& session, std::uint32_t slot) noexcept {
  const auto number = static_cast<std::uint8_t>(slot);
  following_[slot] = kNoSlot;
  if (session.first != kNoSlot) {
    following_[session.last] = number;
  } else {
    session.first = number;
    addressed_[addressedCount_++] = &session;
    touch(session);
  }
  session.last = number;
}

/// Finds the session of each datagram of a batch, beginning those that are new.
void UdpRelay::sort(std::uint32_t count) noexcept {
  UdpSession* session = nullptr;
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    const UdpClient client{.path = fromClients_->path(slot), .named = {}};
    // Nobody can be answered at port 0.
    if (client.path.port() == 0 || fromClients_->parcel(slot).isTruncated) {
      onDropped(1);
      continue;
    }
    if (session == nullptr || !(session->client == client)) {
      const std::uint64_t hash = client.hash(seed_);
      session = table_.find(client, hash);
      if (session == nullptr) {
        session = begin(client, {}, hash);
      }
    }
    if (session != nullptr) {
      assign(*session, slot);
    }
  }
}

/// Whom a trusted proxy's datagram speaks for, which goes on without what says so. False: it must be
/// dropped, and has been counted.
bool UdpRelay::takeHeader(net::Parcel& datagram, UdpClient& client,
                          net::IpPort& destination) noexcept {
  net::ProxyHeader header;
  const net::ProxyHeaderState state =
      net::readDatagramHeader({datagram.data, datagram.size}, header);
  if (state == net::ProxyHeaderState::Absent && headers_ == ProxyAccept::Optional) {
    return true;
  }
  if (state != net::ProxyHeaderState::Done) {
    context_.shard(stats_).error(Errc::ProxyHeaderBad);
    return false;
  }
  datagram.data += header.bytes;
  datagram.size -= static_cast<std::uint32_t>(header.bytes);
  if (header.source.isKnown()) {
    // IPv4-mapped addresses are IPv4, so that a client has one session.
    client.named = net::IpPort::of(header.source.socketAddress());
    destination = header.destination;
  }
  return true;
}

/// The session of `client`, for the outbox to be filled for. `session`, if any, is whom it holds
/// datagrams of until now.
UdpSession* UdpRelay::turnTo(UdpSession* session, const UdpClient& client,
                             const net::IpPort& destination) noexcept {
  if (session != nullptr && session->client == client) {
    return session;
  }
  if (session != nullptr) {
    static_cast<void>(pushToTarget(session));
  }
  const std::uint64_t hash = client.hash(seed_);
  session = table_.find(client, hash);
  if (session == nullptr) {
    return begin(client, destination, hash);
  }
  touch(*session);
  return session;
}

/// The same as sort() and sendToTarget() where proxies may speak for others: each datagram, of a run
/// too, says for itself whose it is.
void UdpRelay::relaySpokenFor(std::uint32_t count) noexcept {
  // Once closed, the current plan knows nothing of this listener, and only sessions keep it open.
  const plan::Listener& listener =
      isClosed_ ? oldest_->listenerPlan() : context_.current->plan().listeners[slot_->index];
  UdpSession* session = nullptr;
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    const net::DatagramPath path = fromClients_->path(slot);
    net::Parcel run = fromClients_->parcel(slot);
    if (path.port() == 0 || run.isTruncated) {
      onDropped(run.datagrams());
      continue;
    }
    const bool isTrusted = listener.trusts(path.client().ipBytes());
    do {
      net::Parcel datagram = run.takeFirst();
      UdpClient client{.path = path, .named = {}};
      net::IpPort destination;
      if (!isTrusted || takeHeader(datagram, client, destination)) {
        session = turnTo(session, client, destination);
        if (session != nullptr) {
          put(session, datagram);
        }
      }
    } while (run.size > 0);
  }
  if (session != nullptr) {
    static_cast<void>(pushToTarget(session));
  }
}

void UdpRelay::receiveFromClients() noexcept {
  for (int i = 0; i < kBatchesPerTurn && socket_.isOpen(); ++i) {
    const net::Received received =
        fromClients_->receive(socket_.get(), 0, net::DatagramInbox::kSlots);
    addressedCount_ = 0;
    if (headers_ != ProxyAccept::Off) {
      relaySpokenFor(received.count);
    } else {
      sort(received.count);
    }
    for (std::uint32_t n = 0; n < addressedCount_; ++n) {
      if (addressed_[n]->first != kNoSlot) {
        sendToTarget(*addressed_[n]);
      }
    }
    if (received.isDrained) {
      mayReceive_ = false;
      return;
    }
  }
  if (socket_.isOpen()) {
    context_.loop.queue(*this);
  }
}

void UdpRelay::onEvents(std::uint32_t events) noexcept {
  if (isFinished_) {
    return;
  }
  if ((events & static_cast<std::uint32_t>(EPOLLERR)) != 0) {
    net::clearDatagramError(socket_.get());
  }
  if (events == 0) {
    sendReplies();
  } else {
    mayReceive_ = true;
  }
  if (mayReceive_) {
    readPlan();
    receiveFromClients();
  }
}

// Life

void UdpRelay::close() noexcept {
  isClosed_ = true;
  finishWhenDone();
}

void UdpRelay::onDrain() noexcept {
  isClosed_ = true;
  for (UdpSession* session = oldest_; session != nullptr;) {
    UdpSession* next = session->newer;
    // Replies may be owed for good reason; of a session without a number of them nobody can say so.
    if (!session->awaitsReplies()) {
      end(*session, Errc::None);
    }
    session = next;
  }
  finishWhenDone();
}

void UdpRelay::onCut() noexcept {
  isClosed_ = true;
  while (oldest_ != nullptr) {
    end(*oldest_, Errc::None);
  }
  finishWhenDone();
}

void UdpRelay::dispose() noexcept {
  delete this;
}

bool UdpRelay::start() noexcept {
  traits_ = net::prepareDatagrams(socket_.get(), true);
  fromClients_ = net::DatagramInbox::make(&traits_);
  fromTargets_ = net::DatagramInbox::make(nullptr);
  toTarget_ = net::DatagramOutbox::make(nullptr, traits_.canSegment);
  toClients_ = net::DatagramOutbox::make(&traits_, traits_.canSegment);
  return fromClients_ && fromTargets_ && toTarget_ && toClients_ &&
         context_.loop.watch(socket_.get(), kReadable, *this);
}

UdpRelay* UdpRelay::open(Context& context, ListenerSlot& slot, UniqueFd socket) noexcept {
  auto* relay = new (std::nothrow) UdpRelay(context, slot, std::move(socket));
  if (relay == nullptr || !relay->start()) {
    delete relay;
    return nullptr;
  }
  relay->readPlan();
  context.flows.add(*relay);
  return relay;
}

} // namespace sluice::relay
