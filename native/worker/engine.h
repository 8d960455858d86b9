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

class Engine {
 public:
  explicit Engine(std::uint32_t workers, LoopKind loop = LoopKind::Epoll);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { close(); }

  /// Takes an encoded plan: all of it, or none and says why.
  [[nodiscard]] Applied apply(std::span<const std::uint8_t> encodedPlan);
  /// Why workers run on epoll though an io_uring was asked for, or empty. Known once a plan was
  /// applied.
  [[nodiscard]] std::string loopProblem() const;
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

  [[nodiscard]] bool startWorkers();
  [[nodiscard]] Applied openListener(const plan::Plan& plan, std::uint32_t index, Opening& opening);
  [[nodiscard]] Applied openTls(const plan::Plan& plan, Opening& opening);
  [[nodiscard]] Applied openLogs(const plan::Plan& plan, Opening& opening);
  void hand(const std::shared_ptr<const plan::Plan>& plan, Opening& opening);

  std::uint32_t workerCount_;
  LoopKind loop_;
  plan::StateRegistry registry_;
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
