// What a listener ends TLS with, on one worker: a context of OpenSSL's for every set of certificates, the names that
// they serve, and the keys of tickets. Made by the main thread, then the worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plan/plan.h"
#include "tls/domain.h"
#include "tls/openssl.h"
#include "tls/ticket_keys.h"

namespace sluice::tls {

class ServerContext {
 public:
  /// `scope` sets sessions of one listener apart from those of another. Null and `problem` when OpenSSL refuses
  /// something.
  [[nodiscard]] static std::shared_ptr<ServerContext>
  make(const std::shared_ptr<Domain>& domain, const plan::ServerTls& terms, std::string_view scope,
       const TicketKeys& keys, std::string& problem);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext() = default;

  [[nodiscard]] const std::shared_ptr<Domain>& domain() const noexcept { return domain_; }
  /// What serves a client until it has said which name it wants.
  [[nodiscard]] SSL_CTX* first() const noexcept { return identities_.front().context.get(); }
  /// False when unknown names are rejected and no certificate is for this host.
  [[nodiscard]] bool mayAskFor(std::string_view host) const noexcept;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Names = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

  struct Staple {
    const X509* certificate;
    std::string response;
  };
  struct Identity {
    SslContext context;
    std::vector<Staple> staples;
  };

  ServerContext() = default;
  [[nodiscard]] bool addIdentity(const plan::ServerTls& terms,
                                 const std::vector<std::uint32_t>& members, std::string& problem);
  [[nodiscard]] bool askForCertificates(SSL_CTX* context, const plan::ServerTls& terms,
                                        std::string& problem);
  void setTickets(SSL_CTX* context, const plan::ServerTls& terms) noexcept;
  [[nodiscard]] const std::uint32_t* find(const Names& names, std::string_view name) const noexcept;

  static int onClientHello(SSL* ssl, int* alert, void* self) noexcept;
  static int onAlpn(SSL* ssl, const unsigned char** out, unsigned char* outSize,
                    const unsigned char* offered, unsigned offeredSize, void* self) noexcept;
  static int onStatusRequest(SSL* ssl, void* self) noexcept;
  static int onTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int isNew) noexcept;

  std::shared_ptr<Domain> domain_;
  std::vector<Identity> identities_;
  Names names_;
  Names challenges_;
  bool rejectsUnknownNames_ = false;
  /// As the extension carries them: each behind its length.
  std::string alpn_;
  std::string scope_;
  TicketKeys tickets_;
};

} // namespace sluice::tls
