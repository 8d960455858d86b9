#include "worker/engine.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/local_clock.h"
#include "net/ktls.h"
#include "net/listen.h"
#include "net/ring_trial.h"

namespace sluice::worker {

namespace {

bool isStream(const plan::Listener& listener) noexcept {
  return listener.protocol != Protocol::Udp;
}

/// Listeners with the same key share sockets across plans. A port that the system chooses belongs
/// to the listener's name.
std::string keyOf(const plan::Listener& listener) {
  const plan::Address& address = listener.address;
  std::string key = isStream(listener) ? "stream/" : "datagram/";
  key.append(address.bytes.begin(), address.bytes.end());
  key.append(std::to_string(static_cast<int>(address.family))).append("/");
  key.append(std::to_string(address.port)).append("/").append(address.path);
  if (address.family != AddressFamily::Unix && address.port == 0) {
    key.append(listener.name);
  }
  return key;
}

std::uint64_t nowMs() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::uint64_t wallMs() noexcept {
  return static_cast<std::uint64_t>(::time(nullptr)) * 1000;
}

Applied failure(FailureKind kind, std::int32_t listener, std::string errorName,
                std::string detail) {
  Applied out;
  out.failure = kind;
  out.listener = listener;
  out.errorName = std::move(errorName);
  out.detail = std::move(detail);
  return out;
}

} // namespace

Engine::Engine(std::uint32_t workers, LoopWish loop)
    : workerCount_(std::max(workers, 1U)), wish_(loop), registry_(workerCount_),
      tls_(workerCount_) {}

LoopState Engine::chooseLoop() const {
  if (wish_ == LoopWish::Epoll) {
    return {};
  }
  const bool isAuto = wish_ == LoopWish::Auto;
  std::string problem = isAuto ? net::ringDoubtByAge() : std::string();
  if (problem.empty()) {
    problem = net::tryRing();
  }
  const bool isRing = problem.empty() || !isAuto;
  return {.kind = isRing ? LoopKind::IoUring : LoopKind::Epoll, .problem = std::move(problem)};
}

bool Engine::startWorkers() {
  if (!workers_.empty()) {
    return true;
  }
  loop_ = chooseLoop();
  std::vector<ByteRing*> rings;
  for (std::uint32_t i = 0; i < workerCount_; ++i) {
    auto worker = std::make_unique<Worker>(i, loop_.kind, outbox_);
    if (!worker->start()) {
      for (const auto& started : workers_) {
        started->post(StopCommand{});
        started->join();
      }
      workers_.clear();
      return false;
    }
    rings.push_back(&worker->log());
    workers_.push_back(std::move(worker));
  }
  logWriter_ = std::make_unique<LogWriter>(std::move(rings));
  return true;
}

Applied Engine::openListener(const plan::Plan& plan, std::uint32_t index, Opening& opening) {
  const plan::Listener& listener = plan.listeners[index];
  const auto at = static_cast<std::int32_t>(index);
  const std::string key = keyOf(listener);
  opening.keys.push_back(key);
  opening.sockets.emplace_back();
  const auto known = listeners_.find(key);
  if (known != listeners_.end()) {
    opening.listeners.emplace(key, known->second);
    return {};
  }
  net::SocketAddress address = upstream::toSocketAddress(listener.address);
  const bool isUnix = listener.address.family == AddressFamily::Unix;
  {
    const net::Listening probed = net::probe(address, isStream(listener));
    if (!probed.error.empty()) {
      return failure(FailureKind::Listen, at, probed.error, {});
    }
  }
  std::vector<UniqueFd>& sockets = opening.sockets.back();
  for (std::uint32_t i = 0; i < workerCount_; ++i) {
    net::Listening opened = isUnix && i > 0      ? net::duplicate(sockets.front())
                            : isStream(listener) ? net::listenStream(address)
                                                 : net::bindDatagram(address);
    if (!opened.fd.isOpen()) {
      return failure(FailureKind::Listen, at, opened.error, {});
    }
    sockets.push_back(std::move(opened.fd));
  }
  opening.listeners.emplace(
      key, Opened{.id = nextId_++, .port = address.port(), .path = listener.address.path});
  return {};
}

Applied Engine::openTls(const plan::Plan& plan, Opening& opening) {
  TlsProblem problem = tls_.open(plan, opening.tls);
  if (problem.text.empty()) {
    return {};
  }
  return failure(FailureKind::Tls, problem.listener, {}, std::move(problem.text));
}

Applied Engine::openLogs(const plan::Plan& plan, Opening& opening) {
  for (std::uint32_t i = 0; i < plan.listeners.size(); ++i) {
    const std::string& path = plan.listeners[i].accessLog;
    opening.logs.emplace_back();
    if (path.empty()) {
      continue;
    }
    net::Listening opened = net::openLog(path);
    if (!opened.fd.isOpen()) {
      return failure(FailureKind::Log, static_cast<std::int32_t>(i), opened.error, path);
    }
    opening.logs.back() = std::move(opened.fd);
  }
  return {};
}

void Engine::hand(const std::shared_ptr<const plan::Plan>& plan, Opening& opening) {
  std::vector<std::uint16_t> logs;
  logWriter_->beginPlan();
  for (std::size_t i = 0; i < plan->listeners.size(); ++i) {
    logs.push_back(opening.logs[i].isOpen()
                       ? logWriter_->use(plan->listeners[i].accessLog, std::move(opening.logs[i]))
                       : upstream::ActivePlan::kNoLog);
  }
  ++sequence_;
  for (std::uint32_t w = 0; w < workerCount_; ++w) {
    ApplyCommand command{.sequence = sequence_,
                         .plan = plan,
                         .listeners = {},
                         .logs = logs,
                         .tls = std::move(opening.tls[w])};
    for (std::size_t i = 0; i < plan->listeners.size(); ++i) {
      ListenerHandover handover;
      handover.id = opening.listeners.at(opening.keys[i]).id;
      handover.isShared = plan->listeners[i].address.family == AddressFamily::Unix;
      if (!opening.sockets[i].empty()) {
        handover.socket = std::move(opening.sockets[i][w]);
      }
      command.listeners.push_back(std::move(handover));
    }
    workers_[w]->post(std::move(command));
  }
}

Applied Engine::apply(std::span<const std::uint8_t> encodedPlan) {
  if (isClosed_) {
    return failure(FailureKind::Resource, -1, {}, "the engine is closed");
  }
  plan::Decoded decoded = plan::decodePlan(encodedPlan, registry_);
  if (!decoded.plan) {
    return failure(FailureKind::Plan, -1, {}, decoded.problem);
  }
  net::raiseDescriptorLimit();
  Opening opening;
  Applied result = openTls(*decoded.plan, opening);
  if (result.failure == FailureKind::None) {
    result = openLogs(*decoded.plan, opening);
  }
  for (std::uint32_t i = 0;
       i < decoded.plan->listeners.size() && result.failure == FailureKind::None; ++i) {
    result = openListener(*decoded.plan, i, opening);
  }
  // Last, so that nothing runs if anything failed.
  if (result.failure == FailureKind::None && !startWorkers()) {
    result = failure(FailureKind::Resource, -1, "EMFILE", "no worker thread could be started");
  }
  if (result.failure != FailureKind::None) {
    for (const auto& [key, opened] : opening.listeners) {
      if (!opened.path.empty() && !listeners_.contains(key)) {
        ::unlink(opened.path.c_str());
      }
    }
    decoded.plan.reset();
    registry_.prune();
    return result;
  }
  for (const auto& [key, opened] : listeners_) {
    if (!opened.path.empty() && !opening.listeners.contains(key)) {
      ::unlink(opened.path.c_str());
    }
  }
  for (const std::string& key : opening.keys) {
    result.ports.push_back(opening.listeners.at(key).port);
  }
  hand(decoded.plan, opening);
  tls_.commit(decoded.plan);
  listeners_ = std::move(opening.listeners);
  plan_ = std::move(decoded.plan);
  registry_.prune();
  return result;
}

LoopState Engine::loop() const {
  for (const auto& worker : workers_) {
    if (!worker->loopProblem().empty()) {
      return {.kind = LoopKind::Epoll, .problem = worker->loopProblem()};
    }
  }
  return loop_;
}

std::string Engine::kernelTlsProblem() {
  return net::probeKernelTls().problem;
}

bool Engine::isSettled() const noexcept {
  return std::all_of(workers_.begin(), workers_.end(),
                     [this](const auto& worker) { return worker->applied() == sequence_; });
}

std::size_t Engine::snapshot(std::span<double> into) const noexcept {
  if (!plan_ || into.size() < plan_->statsLength()) {
    return 0;
  }
  std::fill(into.begin(), into.end(), 0.0);
  double* at = into.data();
  const auto sum = [&at](const auto& entities) {
    for (const auto& entity : entities) {
      for (const plan::StatShard& shard : entity.stats->shards()) {
        shard.addTo(at);
      }
      at += kStatsStride;
    }
  };
  sum(plan_->listeners);
  sum(plan_->routes);
  sum(plan_->pools);
  sum(plan_->targets);
  return plan_->statsLength();
}

std::size_t Engine::targetStates(std::span<double> into) const noexcept {
  if (!plan_ || into.size() < plan_->targets.size() * 2) {
    return 0;
  }
  const std::uint64_t now = nowMs();
  double* at = into.data();
  for (const plan::Target& target : plan_->targets) {
    const std::uint64_t until = target.state->ejectedUntilMs.load(std::memory_order_relaxed);
    *at++ = until > now ? static_cast<double>(until - now) : 0.0;
    *at++ = target.state->inFlight.load(std::memory_order_relaxed);
  }
  return plan_->targets.size() * 2;
}

void Engine::answerName(std::uint64_t question, upstream::NameAnswer answer) {
  const std::uint32_t asker = Worker::askerOf(question);
  if (asker < workers_.size()) {
    workers_[asker]->post(NameCommand{.question = question, .answer = std::move(answer)});
  }
}

void Engine::answerPassword(std::uint64_t question, bool isRight) {
  const std::uint32_t asker = Worker::askerOf(question);
  if (asker < workers_.size()) {
    workers_[asker]->post(VerdictCommand{.question = question, .isRight = isRight});
  }
}

std::size_t Engine::userStates(std::span<double> into) const noexcept {
  constexpr std::size_t kDoubles = 6;
  LocalClock clock;
  const std::uint64_t today = clock.at(wallMs()).day;
  double* at = into.data();
  std::size_t left = into.size() / kDoubles;
  for (const plan::Users& users : plan_ ? plan_->users : std::vector<plan::Users>()) {
    for (const plan::User& user : users.users) {
      if (left-- == 0) {
        return 0;
      }
      const plan::UserState& state = *user.state;
      const auto read = [](const auto& cell) {
        return static_cast<double>(cell.load(std::memory_order_relaxed));
      };
      *at++ = read(state.active);
      *at++ = read(state.requests);
      *at++ = read(state.bytesIn);
      *at++ = read(state.bytesOut);
      // Nobody has begun anew for a user who has done nothing since midnight.
      *at++ = state.day.load(std::memory_order_relaxed) == today ? read(state.bytesToday) : 0;
      *at++ = 0;
    }
  }
  return static_cast<std::size_t>(at - into.data());
}

void Engine::drain() {
  for (const auto& worker : workers_) {
    worker->post(DrainCommand{});
  }
}

std::uint32_t Engine::openFlows() const noexcept {
  std::uint32_t open = 0;
  for (const auto& worker : workers_) {
    open += worker->openFlows();
  }
  return open;
}

void Engine::close() noexcept {
  if (std::exchange(isClosed_, true)) {
    return;
  }
  for (const auto& worker : workers_) {
    worker->post(StopCommand{});
  }
  for (const auto& worker : workers_) {
    worker->join();
  }
  logWriter_.reset();
  workers_.clear();
  for (const auto& [key, opened] : listeners_) {
    if (!opened.path.empty()) {
      ::unlink(opened.path.c_str());
    }
  }
  listeners_.clear();
}

} // namespace sluice::worker
