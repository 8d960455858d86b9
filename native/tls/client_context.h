// How a pool speaks TLS to its targets, on one worker, and what is remembered of each target: the session to resume. Made
// by the main thread, then the worker's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "tls/domain.h"
#include "tls/openssl.h"

namespace sluice::tls {

class ClientContext {
 public:
  /// Null and `problem` when OpenSSL refuses something.
  [[nodiscard]] static std::shared_ptr<ClientContext>
  make(const std::shared_ptr<Domain>& domain, const plan::ClientTls& terms, std::string& problem);
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;
  ~ClientContext() = default;

  [[nodiscard]] const std::shared_ptr<Domain>& domain() const noexcept { return domain_; }
  [[nodiscard]] SSL_CTX* get() const noexcept { return context_.get(); }
  [[nodiscard]] bool verifies() const noexcept { return verifies_; }
  /// What verification does not look at: the certificate is one of those that are pinned, if any are.
  [[nodiscard]] bool mayTrust(const X509* certificate) const noexcept;

 private:
  using Digest = std::array<unsigned char, 32>;

  ClientContext() = default;

  std::shared_ptr<Domain> domain_;
  SslContext context_;
  bool verifies_ = true;
  std::vector<Digest> pins_;
};

class TargetTls {
 public:
  /// `name`: what to ask for and to find in the certificate, a host or an IP address; may be empty where nothing is
  /// verified.
  TargetTls(std::shared_ptr<ClientContext> context, std::string name) noexcept
      : context_(std::move(context)), name_(std::move(name)) {}

  [[nodiscard]] ClientContext& context() noexcept { return *context_; }
  [[nodiscard]] const std::shared_ptr<ClientContext>& sharedContext() const noexcept {
    return context_;
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Tells a new connection whom it speaks to and which session it may resume.
  [[nodiscard]] bool prepare(SSL* ssl) noexcept;
  /// Copies it: OpenSSL spoils a session that it works with, after one use with TLS 1.3, and with a
  /// connection that was cut.
  void remember(const SSL_SESSION* session) noexcept { session_.reset(SSL_SESSION_dup(session)); }
  void forget() noexcept { session_.reset(); }

 private:
  std::shared_ptr<ClientContext> context_;
  std::string name_;
  SslSession session_;
};

} // namespace sluice::tls
