#include "worker/listener.h"

#include <utility>

#include "relay/front.h"
#include "relay/h1_client.h"
#include "relay/redirected_client.h"
#include "relay/tcp_relay.h"

namespace sluice::worker {

Status Listener::start(std::uint32_t index, UniqueFd fd, bool isShared) noexcept {
  slot_->index = index;
  protocol_ = plan().protocol;
  if (protocol_ != Protocol::Udp) {
    return acceptor_.start(std::move(fd), isShared);
  }
  udp_ = relay::UdpRelay::open(context_, *slot_, std::move(fd));
  if (udp_ == nullptr) {
    return Unexpected{Errc::OutOfMemory};
  }
  return {};
}

bool Listener::keep(std::uint32_t index) noexcept {
  const Protocol protocol = context_.current->plan().listeners[index].protocol;
  const bool isSame = protocol == std::exchange(protocol_, protocol);
  if (!isSame) {
    // Only between the stream protocols: sockets for datagrams are never taken over by them. The
    // flows keep the slot that they know, and with it the plan that they were made for.
    slot_->isClosing = true;
    slot_ = std::make_shared<relay::ListenerSlot>();
  }
  slot_->index = index;
  return isSame;
}

void Listener::close() noexcept {
  slot_->isClosing = true;
  acceptor_.close();
  if (udp_ != nullptr) {
    std::exchange(udp_, nullptr)->close();
  }
}

void Listener::retire(std::unique_ptr<Listener> listener) noexcept {
  listener->close();
  net::Loop& loop = listener->context_.loop;
  loop.dispose(*listener.release());
}

const plan::Listener& Listener::plan() const noexcept {
  return context_.current->plan().listeners[slot_->index];
}

void Listener::onShed(Errc why) noexcept {
  context_.shard(plan().stats).error(why);
}

void Listener::onAccepted(UniqueFd fd, const net::SocketAddress& client) noexcept {
  const plan::Listener& listener = plan();
  const bool isRedirected = relay::RedirectedClient::isFor(context_.current->plan(), listener);
  plan::StatShard& stats = context_.shard(listener.stats);
  stats.add(Counter::Connections);
  // Relaxed: only the count matters, and it is exact because adding and looking are one step.
  const std::uint32_t others = listener.state->connections.fetch_add(1, std::memory_order_relaxed);
  if (listener.maxConnections != 0 && others >= listener.maxConnections) {
    listener.state->connections.fetch_sub(1, std::memory_order_relaxed);
    stats.error(Errc::ConnectionLimit);
    const bool isHttp =
        listener.protocol == Protocol::Http || listener.protocol == Protocol::Forward;
    if (isHttp && !isRedirected) {
      relay::H1Client::refuse(context_, fd);
    }
    return;
  }
  stats.add(Counter::Active);
  if (relay::Front::isNeeded(listener, client)) {
    relay::Front::open(context_, slot_, std::move(fd), client);
    return;
  }
  if (isRedirected) {
    relay::RedirectedClient::open(context_, slot_, std::move(fd), client);
    return;
  }
  switch (listener.protocol) {
  case Protocol::Tcp:
    relay::TcpRelay::open(context_, *slot_, std::move(fd), client);
    return;
  case Protocol::Http:
  case Protocol::Forward:
    relay::H1Client::open(context_, slot_, std::move(fd), client);
    return;
  case Protocol::Udp:
    return;
  }
}

} // namespace sluice::worker
