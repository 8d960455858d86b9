// The pieces of work that the micro-benches measure, each one call of production code from http/,
// balance/ and plan/. The C++ loops (micro.cc) and the bench's development addon
// (bench/micro/crossing.cc) both call them here, so that what the two differ by is the crossing
// from JavaScript. One thread; nothing of it is part of the product.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balance/hash.h"
#include "balance/pick.h"
#include "balance/rng.h"
#include "http/forward.h"
#include "http/head_writer.h"
#include "http/request.h"
#include "http/route.h"
#include "plan/plan.h"
#include "plan/state.h"

namespace sluice::micro {

/// Room for any head that a bench forwards.
inline constexpr std::size_t kForwardBytes = 64 * 1024;

/// The IPv4 address of a client by its number: distinct for distinct numbers, and scattered, because
/// the factor is odd. src/bench/js-picks.ts has the same clients.
[[nodiscard]] inline std::array<std::uint8_t, 4> clientAddress(std::uint32_t client) noexcept {
  const std::uint32_t address = client * 0x9e3779b1U;
  return {static_cast<std::uint8_t>(address >> 24), static_cast<std::uint8_t>(address >> 16),
          static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)};
}

class Work {
 public:
  /// What is wrong with the plan; empty when it is in force.
  [[nodiscard]] std::string takePlan(std::span<const std::uint8_t> bytes);
  /// Copies a request head and parses it. Needs a plan, for the limits of its first listener.
  [[nodiscard]] std::string takeHead(std::string_view bytes);

  /// After takePlan() only, as everything below.
  [[nodiscard]] const plan::Plan& plan() const noexcept { return *plan_; }
  [[nodiscard]] bool hasPlan() const noexcept { return plan_ != nullptr; }
  /// After takeHead() only.
  [[nodiscard]] const http::RequestHead& head() const noexcept { return *head_; }
  [[nodiscard]] std::string_view headBytes() const noexcept { return headBytes_; }
  [[nodiscard]] bool hasHead() const noexcept { return !headBytes_.empty(); }

  /// The parsed head, or null when `bytes` are not one whole request head.
  [[nodiscard]] const http::RequestHead* parse(std::string_view bytes) noexcept {
    const http::ParseResult result = http::parseRequest(bytes, limits_, *scratch_);
    return result.state == http::ParseState::Done ? scratch_.get() : nullptr;
  }

  /// Index of the route within the plan, or -1.
  [[nodiscard]] std::int32_t route(const plan::Listener& listener, std::string_view host,
                                   std::string_view path) const noexcept {
    const plan::Route* found = http::matchRoute(plan_->routesOf(listener), host, path);
    return found == nullptr ? -1 : static_cast<std::int32_t>(found - plan_->routes.data());
  }

  /// From a client's address to a position, as a relay does it.
  [[nodiscard]] std::int32_t pick(const plan::Pool& pool, std::uint32_t client) noexcept {
    const balance::PickInput input{
        .key = balance::hashKey(clientAddress(client)), .rng = rng_, .nowMs = 1, .excluded = {}};
    return balance::pick(*plan_, pool, input);
  }

  /// Length of the head taken by takeHead() as the target gets it; 0 when it did not fit.
  [[nodiscard]] std::size_t forward(const plan::Route& route, const plan::Target& target,
                                    std::span<char> out) const noexcept {
    const http::ForwardContext context{.listener = plan_->listeners[route.listener],
                                       .route = route,
                                       .target = target,
                                       .clientIp = "192.0.2.7",
                                       .path = path_};
    http::HeadWriter writer(out);
    return http::writeRequestHead(writer, *head_, context) ? writer.size() : 0;
  }

  /// Whether a host is in a list, as a rule asks it.
  [[nodiscard]] bool lookUp(const plan::List& list, std::string_view host) const noexcept {
    return list.hostSet.has(host);
  }

  /// Sets the pool's cursor, the loads of its targets and the random numbers back to their
  /// beginning.
  void restart(const plan::Pool& pool, std::uint32_t seed) noexcept;

 private:
  plan::StateRegistry registry_{1};
  std::shared_ptr<const plan::Plan> plan_;
  plan::Limits limits_;
  balance::Rng rng_{1};
  std::string headBytes_;
  std::unique_ptr<http::RequestHead> head_ = std::make_unique<http::RequestHead>();
  std::unique_ptr<http::RequestHead> scratch_ = std::make_unique<http::RequestHead>();
  /// Of the head, in normal form; a view of headBytes_ or of pathBytes_.
  std::string_view path_;
  std::vector<char> pathBytes_;
};

} // namespace sluice::micro
