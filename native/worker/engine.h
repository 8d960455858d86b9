// The native engine as its hosts see it (the addon, the stand-alone test host): takes plans, opens
// what they need, hands them to the workers, reads their facts. All calls on one thread, the host's
// main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/decode.h"
#include "worker/log_writer.h"
#include "worker/tls_contexts.h"
#include "worker/worker.h"

namespace sluice::worker {

enum class FailureKind : std::uint8_t { None, Plan, Listen, Log, Resource, Tls };

struct Applied {
  FailureKind failure = FailureKind::None;
  /// Index of the listener at fault, or -1.
  std::int32_t listener = -1;
  /// The system's error name, or empty.
  std::string errorName;
  std::string detail;
  /// The listeners' ports, in the plan's order.
  std::vector<std::uint16_t> ports;
};

enum class LoopWish : std::uint8_t {
  Epoll,
  /// Wherever the kernel grants it.
  IoUring,
  /// An io_uring where the kernel grants a sound one.
  Auto,
};

/// What the workers wait on.
struct LoopState {
  /// Of every worker; epoll if of any.
  LoopKind kind = LoopKind::Epoll;
  /// Why it is not the io_uring that was asked for, or, on one, what is wrong with it; or empty.
  std::string problem;
};

class Engine {
 public:
  explicit Engine(std::uint32_t workers, LoopWish loop = LoopWish::Epoll);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { close(); }

  /// Takes an encoded plan: all of it, or none and says why.
  [[nodiscard]] Applied apply(std::span<const std::uint8_t> encodedPlan);
  /// Known once a plan was applied.
  [[nodiscard]] LoopState loop() const;
  /// Why this kernel does not seal TLS, or empty.
  [[nodiscard]] static std::string kernelTlsProblem();
  /// Who is told that workers have questions; to be set before the first plan.
  void setOutboxOwner(OutboxOwner* owner) noexcept { outbox_.setOwner(owner); }
  [[nodiscard]] std::vector<upstream::Question> takeQuestions() { return outbox_.take(); }
  void answerName(std::uint64_t question, upstream::NameAnswer answer);
  void answerPassword(std::uint64_t question, bool isRight);
  /// Six doubles a user: active, requests, bytes in, bytes out, bytes today, 0.
  std::size_t userStates(std::span<double> into) const noexcept;
  /// Every worker has taken over the plan last applied.
  [[nodiscard]] bool isSettled() const noexcept;
  /// Sums the shards into `into` as STATS_STRIDE doubles an entity. Returns the doubles written, 0
  /// when they do not fit.
  std::size_t snapshot(std::span<double> into) const noexcept;
  /// Two doubles a target: milliseconds it stays ejected, work in flight.
  std::size_t targetStates(std::span<double> into) const noexcept;
  void drain();
  [[nodiscard]] std::uint32_t openFlows() const noexcept;
  void close() noexcept;

 private:
  struct Opened {
    std::uint32_t id = 0;
    std::uint16_t port = 0;
    /// Unix sockets: the file to remove.
    std::string path;
  };
  /// What an apply has opened so far; dropped whole when it fails.
  struct Opening {
    std::vector<std::vector<UniqueFd>> sockets;
    std::vector<UniqueFd> logs;
    std::unordered_map<std::string, Opened> listeners;
    std::vector<std::string> keys;
    /// One a worker.
    std::vector<upstream::PlanTls> tls;
  };

  /// What to make of the wish here; tries the kernel.
  [[nodiscard]] LoopState chooseLoop() const;
  [[nodiscard]] bool startWorkers();
  [[nodiscard]] Applied openListener(const plan::Plan& plan, std::uint32_t index, Opening& opening);
  [[nodiscard]] Applied openTls(const plan::Plan& plan, Opening& opening);
  [[nodiscard]] Applied openLogs(const plan::Plan& plan, Opening& opening);
  void hand(const std::shared_ptr<const plan::Plan>& plan, Opening& opening);

  std::uint32_t workerCount_;
  LoopWish wish_;
  /// Chosen when the workers start.
  LoopState loop_;
  plan::StateRegistry registry_;
  /// Ahead of the workers, who write to it.
  Outbox outbox_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<LogWriter> logWriter_;
  TlsContexts tls_;
  std::unordered_map<std::string, Opened> listeners_;
  std::uint32_t nextId_ = 1;
  std::uint64_t sequence_ = 0;
  std::shared_ptr<const plan::Plan> plan_;
  bool isClosed_ = false;
};

} // namespace sluice::worker
