#include "tls/server_context.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tls/client_hello.h"
#include "tls/credentials.h"
#include "tls/session.h"

namespace sluice::tls {

namespace {

constexpr std::string_view kChallengeProtocol = "acme-tls/1";
/// The most bytes of certificates that a client may show: what is told of them must fit into a head.
constexpr long kMaxClientChain = 32 * 1024;

/// `host` in lower case without a trailing dot, as a view of `into`; empty when it does not fit.
std::string_view lowerName(std::string_view host, std::span<char, kMaxServerName> into) noexcept {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  if (host.size() > into.size()) {
    return {};
  }
  std::transform(host.begin(), host.end(), into.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return {into.data(), host.size()};
}

} // namespace

std::shared_ptr<ServerContext> ServerContext::make(const std::shared_ptr<Domain>& domain,
                                                   const plan::ServerTls& terms,
                                                   std::string_view scope, const TicketKeys& keys,
                                                   std::string& problem) {
  std::shared_ptr<ServerContext> made(new ServerContext());
  made->domain_ = domain;
  made->rejectsUnknownNames_ = terms.rejectsUnknownNames;
  made->tickets_ = keys;
  // Sessions are resumed only where the same client certificates are asked for.
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  const std::string text = std::string(scope) + '\0' +
                           std::to_string(static_cast<int>(terms.clientMode)) + terms.clientCa +
                           '\0' + terms.clientCrl;
  SHA256(bytesOf(text), text.size(), digest.data());
  made->scope_.assign(digest.begin(), digest.end());
  for (const std::string& name : terms.alpn) {
    made->alpn_ += static_cast<char>(name.size());
    made->alpn_ += name;
  }
  for (const std::vector<std::uint32_t>& members : terms.identities) {
    if (!made->addIdentity(terms, members, problem)) {
      ERR_clear_error();
      return nullptr;
    }
  }
  for (const plan::ServerName& name : terms.names) {
    made->names_.emplace(name.name, name.identity);
  }
  for (const plan::ServerName& name : terms.challenges) {
    made->challenges_.emplace(name.name, name.identity);
  }
  return made;
}

bool ServerContext::addIdentity(const plan::ServerTls& terms,
                                const std::vector<std::uint32_t>& members, std::string& problem) {
  Identity identity;
  identity.context.reset(SSL_CTX_new_ex(domain_->library(), nullptr, TLS_server_method()));
  SSL_CTX* context = identity.context.get();
  if (context == nullptr) {
    problem = "no TLS context: " + takeError();
    return false;
  }
  if (!applyTerms(context, terms.terms, problem)) {
    return false;
  }
  for (const std::uint32_t member : members) {
    const plan::Certificate& certificate = terms.certificates[member];
    const X509* used = useCertificate(*domain_, context, certificate, problem);
    if (used == nullptr) {
      return false;
    }
    if (!certificate.ocsp.empty()) {
      identity.staples.push_back({used, certificate.ocsp});
    }
  }
  if (terms.clientMode != ClientCertificateMode::Off &&
      !askForCertificates(context, terms, problem)) {
    return false;
  }
  SSL_CTX_set_session_id_context(context, bytesOf(scope_), static_cast<unsigned>(scope_.size()));
  setTickets(context, terms);
  if (terms.terms.kernelTls && domain_->kernelTls().isOffered()) {
    SSL_CTX_set_keylog_callback(context, Session::onKeyLog);
  }
  SSL_CTX_set_client_hello_cb(context, onClientHello, this);
  SSL_CTX_set_alpn_select_cb(context, onAlpn, this);
  if (!identity.staples.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, onStatusRequest);
    SSL_CTX_set_tlsext_status_arg(context, this);
  }
  identities_.push_back(std::move(identity));
  return true;
}

bool ServerContext::askForCertificates(SSL_CTX* context, const plan::ServerTls& terms,
                                       std::string& problem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (!addCas(*domain_, store, terms.clientCa, problem) ||
      (!terms.clientCrl.empty() && !addCrls(*domain_, store, terms.clientCrl, problem))) {
    return false;
  }
  STACK_OF(X509)* all = X509_STORE_get1_all_certs(store);
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  for (int i = 0; i < sk_X509_num(all); ++i) {
    sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(sk_X509_value(all, i))));
  }
  sk_X509_pop_free(all, X509_free);
  // What clients choose their certificate by; the context owns it from here.
  SSL_CTX_set_client_CA_list(context, names);
  const int required =
      terms.clientMode == ClientCertificateMode::Require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_max_cert_list(context, kMaxClientChain);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, nullptr);
  return true;
}

void ServerContext::setTickets(SSL_CTX* context, const plan::ServerTls& terms) noexcept {
  // Sessions live in tickets alone: nothing to look up, and nothing that workers would have to share.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!terms.sessionTickets) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return;
  }
  SSL_CTX_set_timeout(context, static_cast<long>(terms.sessionSeconds));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, onTicket);
}

const std::uint32_t* ServerContext::find(const Names& names, std::string_view name) const noexcept {
  if (const auto exact = names.find(name); exact != names.end()) {
    return &exact->second;
  }
  // A wildcard stands for one label (RFC 9525, section 6.3).
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kMaxServerName) {
    return nullptr;
  }
  std::array<char, kMaxServerName + 2> wildcard{};
  wildcard[0] = '*';
  std::memcpy(wildcard.data() + 1, name.data() + dot, name.size() - dot);
  const auto found = names.find(std::string_view(wildcard.data(), name.size() - dot + 1));
  return found != names.end() ? &found->second : nullptr;
}

bool ServerContext::mayAskFor(std::string_view host) const noexcept {
  if (!rejectsUnknownNames_) {
    return true;
  }
  std::array<char, kMaxServerName> lower{};
  const std::string_view name = lowerName(host, lower);
  return !name.empty() && find(names_, name) != nullptr;
}

int ServerContext::onClientHello(SSL* ssl, int* alert, void* self) noexcept {
  auto& context = *static_cast<ServerContext*>(self);
  Session& session = Session::of(ssl);
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  std::string_view name;
  std::array<char, kMaxServerName> lower{};
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) == 1) {
    const std::string_view extension = textOf(bytes, size);
    if (!readServerName(extension, lower, name)) {
      *alert = SSL_AD_DECODE_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
  }
  std::string_view offered;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes,
                                &size) == 1 &&
      size > 2) {
    // Behind the length of the list.
    offered = textOf(bytes + 2, size - 2);
  }
  session.noteHello(name, offered);
  if (!context.challenges_.empty()) {
    const std::uint32_t* challenge = context.find(context.challenges_, name);
    // Such a client offers this protocol and no other (RFC 8737, section 3).
    if (challenge != nullptr && offered.size() == kChallengeProtocol.size() + 1 &&
        offered.substr(1) == kChallengeProtocol) {
      session.noteChallenge();
      SSL_set_SSL_CTX(ssl, context.identities_[*challenge].context.get());
      // Who asks has no certificate, and gets no ticket that would pass for one.
      SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
      SSL_set_options(ssl, SSL_OP_NO_TICKET);
      SSL_set_num_tickets(ssl, 0);
      return SSL_CLIENT_HELLO_SUCCESS;
    }
  }
  if (name.empty()) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  const std::uint32_t* identity = context.find(context.names_, name);
  if (identity != nullptr) {
    SSL_set_SSL_CTX(ssl, context.identities_[*identity].context.get());
  } else if (context.rejectsUnknownNames_) {
    session.noteUnknownName();
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

int ServerContext::onAlpn(SSL* ssl, const unsigned char** out, unsigned char* outSize,
                          const unsigned char* offered, unsigned offeredSize, void* self) noexcept {
  const auto& context = *static_cast<ServerContext*>(self);
  if (Session::of(ssl).isChallenge()) {
    *out = offered + 1;
    *outSize = offered[0];
    return SSL_TLSEXT_ERR_OK;
  }
  if (context.alpn_.empty()) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  // OpenSSL's own form is not const; it only points into one of the two.
  auto* chosen = const_cast<unsigned char**>(out);
  const int result =
      SSL_select_next_proto(chosen, outSize, bytesOf(context.alpn_),
                            static_cast<unsigned>(context.alpn_.size()), offered, offeredSize);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int ServerContext::onStatusRequest(SSL* ssl, void* self) noexcept {
  const auto& context = *static_cast<ServerContext*>(self);
  const X509* certificate = SSL_get_certificate(ssl);
  for (const Identity& identity : context.identities_) {
    for (const Staple& staple : identity.staples) {
      if (staple.certificate != certificate) {
        continue;
      }
      auto* copy = OPENSSL_memdup(staple.response.data(), staple.response.size());
      if (copy == nullptr) {
        return SSL_TLSEXT_ERR_NOACK;
      }
      SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(staple.response.size()));
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

int ServerContext::onTicket(SSL* ssl, unsigned char* name, unsigned char* iv,
                            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int isNew) noexcept {
  Session& session = Session::of(ssl);
  TicketKeys& tickets = session.server().tickets_;
  tickets.advance(session.loop().nowMs() / 1000);
  const TicketKeys::Key* key = isNew == 1 ? &tickets.current() : tickets.find(name);
  if (key == nullptr) {
    return 0;
  }
  EVP_CIPHER* aes = session.domain().ticketCipher();
  if (isNew == 1) {
    if (RAND_bytes_ex(session.domain().library(), iv, EVP_MAX_IV_LENGTH, 0) != 1) {
      return -1;
    }
    std::copy(key->name.begin(), key->name.end(), name);
  }
  char digest[] = "SHA256";
  std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(
          OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key->mac.data()), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  const bool isSet = EVP_MAC_CTX_set_params(mac, parameters.data()) == 1 &&
                     EVP_CipherInit_ex2(cipher, aes, key->cipher.data(), iv, isNew, nullptr) == 1;
  if (!isSet) {
    return -1;
  }
  // 2: the client is to get a new ticket, made with the current key. Since TLS 1.3 it may use none
  // twice (RFC 8446, appendix C.4).
  const bool isSpent = key != &tickets.current() || SSL_version(ssl) >= TLS1_3_VERSION;
  return isNew == 0 && isSpent ? 2 : 1;
}

} // namespace sluice::tls
