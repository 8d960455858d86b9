#include "micro/work.h"

#include <atomic>

#include "http/path.h"
#include "plan/decode.h"

namespace sluice::micro {

std::string Work::takePlan(std::span<const std::uint8_t> bytes) {
  plan::Decoded decoded = plan::decodePlan(bytes, registry_);
  if (!decoded.plan) {
    return decoded.problem;
  }
  if (decoded.plan->listeners.empty()) {
    return "the plan has no listener";
  }
  plan_ = std::move(decoded.plan);
  limits_ = plan_->listeners.front().limits;
  headBytes_.clear();
  return {};
}

std::string Work::takeHead(std::string_view bytes) {
  headBytes_ = bytes;
  const http::ParseResult result = http::parseRequest(headBytes_, limits_, *head_);
  if (result.state != http::ParseState::Done || result.consumed != headBytes_.size()) {
    headBytes_.clear();
    return "not one whole request head";
  }
  pathBytes_.resize(head_->path.size());
  const http::PathResult path = http::normalizePath(head_->path, pathBytes_);
  if (!path.ok) {
    headBytes_.clear();
    return "a path without a normal form";
  }
  path_ = path.path;
  return {};
}

void Work::restart(const plan::Pool& pool, std::uint32_t seed) noexcept {
  rng_ = balance::Rng(seed);
  // Relaxed: there is one thread.
  pool.state->cursor.store(0, std::memory_order_relaxed);
  for (const plan::Target& target : plan_->targetsOf(pool)) {
    target.state->inFlight.store(0, std::memory_order_relaxed);
  }
}

} // namespace sluice::micro
