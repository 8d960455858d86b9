// TLS of the load's side (load/transport.h), on the system's OpenSSL: one context, one session of
// OpenSSL for each connection, non-blocking on its socket. Certificates are not verified, but the
// signature over the handshake is: that is this program's cost, as it is a browser's. Version,
// cipher and group are offered as asked for and nothing beside, so that every target agrees on the
// same.
//
// With --resume each client keeps the session that it was last given and asks for it with its next
// connection: TLS 1.3 by tickets, TLS 1.2 by tickets or identifiers.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "load/command_line.h"
#include "load/transport.h"

namespace sluice::load {

struct TlsShape {
  std::string name; ///< to ask for (SNI)
  int version = TLS1_3_VERSION;
  std::string cipher; ///< as OpenSSL calls it
  std::string group;
  bool isResumed = false;
};

[[noreturn]] inline void failTls(const char* what) {
  char text[160] = "";
  if (const unsigned long code = ::ERR_get_error(); code != 0) {
    ::ERR_error_string_n(code, text, sizeof text);
  }
  fail((std::string(what) + (*text != '\0' ? ": " : "") + text).c_str());
}

struct FreeTls {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { ::SSL_SESSION_free(session); }
};
using SslPtr = std::unique_ptr<SSL, FreeTls>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreeTls>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, FreeTls>;

/// What both sides of the self-test agree on.
inline void setTerms(SSL_CTX* context, const TlsShape& shape) {
  const bool isSet = ::SSL_CTX_set_min_proto_version(context, shape.version) == 1 &&
                     ::SSL_CTX_set_max_proto_version(context, shape.version) == 1 &&
                     (shape.version == TLS1_3_VERSION
                          ? ::SSL_CTX_set_ciphersuites(context, shape.cipher.c_str()) == 1
                          : ::SSL_CTX_set_cipher_list(context, shape.cipher.c_str()) == 1) &&
                     ::SSL_CTX_set1_groups_list(context, shape.group.c_str()) == 1;
  if (!isSet) {
    failTls("OpenSSL has no such version, cipher or group");
  }
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  // Several records, or a record with its head, in one call.
  ::SSL_CTX_set_read_ahead(context, 1);
  ::SSL_CTX_set_default_read_buffer_len(context, 64UL * 1024);
}

class TlsTransport {
 public:
  struct Link {
    SslPtr ssl;
    SslSessionPtr session; ///< to resume; survives the connection
    bool isReady = false;
    bool isEnded = false; ///< found while there were bytes to hand over first
    bool isBroken = false;
  };
  static constexpr bool kNegotiates = true;

  explicit TlsTransport(const TlsShape& shape)
      : shape_(shape), context_(::SSL_CTX_new(::TLS_client_method())) {
    if (!context_) {
      failTls("OpenSSL");
    }
    setTerms(context_.get(), shape_);
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    ::SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
    // OpenSSL writes by write(2), which has no MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
  }

  void open(Link& link, int fd) {
    link.ssl.reset(::SSL_new(context_.get()));
    if (!link.ssl || ::SSL_set_fd(link.ssl.get(), fd) != 1) {
      failTls("OpenSSL");
    }
    ::SSL_set_connect_state(link.ssl.get());
    if (!shape_.name.empty()) {
      SSL_set_tlsext_host_name(link.ssl.get(), shape_.name.c_str());
    }
    if (shape_.isResumed && link.session) {
      ::SSL_set_session(link.ssl.get(), link.session.get());
    }
  }

  /// The handshake, on a socket that still waits.
  [[nodiscard]] bool begin(Link& link, int) {
    ::ERR_clear_error();
    if (::SSL_do_handshake(link.ssl.get()) != 1) {
      return false;
    }
    onHandshake(link);
    return true;
  }

  void close(Link& link) {
    if (link.ssl && link.isReady && !link.isBroken) {
      if (shape_.isResumed) {
        keepSession(link);
      }
      // A closing alert, as browsers send one. Without it OpenSSL would spoil the session, too.
      ::ERR_clear_error();
      static_cast<void>(::SSL_shutdown(link.ssl.get()));
    }
    link.ssl.reset();
    link.isReady = link.isEnded = link.isBroken = false;
  }

  [[nodiscard]] static bool isReady(const Link& link) { return link.isReady; }
  [[nodiscard]] static bool hasPending(const Link& link) {
    return link.isEnded || link.isBroken || ::SSL_has_pending(link.ssl.get()) == 1;
  }

  [[nodiscard]] Step send(Link& link, int, std::span<iovec> spans) {
    std::size_t sent = 0;
    ::ERR_clear_error();
    const int result = ::SSL_write_ex(link.ssl.get(), spans[0].iov_base, spans[0].iov_len, &sent);
    if (result == 1) {
      onHandshake(link);
      return {Passage::Moved, sent};
    }
    // An alert, or the end of TCP: not that nobody is there.
    const bool isRefused = ::SSL_get_error(link.ssl.get(), result) == SSL_ERROR_SSL;
    const Passage passage = passageOf(link, result);
    return {isRefused ? Passage::Ended : passage, 0};
  }

  [[nodiscard]] Step receive(Link& link, int, std::span<std::byte> into) {
    std::size_t total = 0;
    while (total < into.size() && !link.isEnded && !link.isBroken) {
      std::size_t length = 0;
      ::ERR_clear_error();
      const int result =
          ::SSL_read_ex(link.ssl.get(), into.data() + total, into.size() - total, &length);
      if (result != 1) {
        const Passage passage = passageOf(link, result);
        link.isEnded = passage == Passage::Ended;
        if (passage == Passage::WantRead || passage == Passage::WantWrite) {
          return {total > 0 ? Passage::Moved : passage, total};
        }
        break;
      }
      onHandshake(link);
      total += length;
      if (::SSL_has_pending(link.ssl.get()) == 0) {
        break;
      }
    }
    return total > 0 ? Step{Passage::Moved, total}
                     : Step{link.isEnded ? Passage::Ended : Passage::Broken, 0};
  }

  [[nodiscard]] static std::string whyNotReady() { return "TLS was not agreed on"; }
  [[nodiscard]] std::uint64_t handshakes() const { return handshakes_; }

  /// `"tls":{…},` of a JSON object.
  void printJson() const {
    std::printf("\"tls\":{\"version\":\"%s\",\"cipher\":\"%s\",\"group\":\"%s\",\"key\":\"%s\","
                "\"handshakes\":%llu,\"resumed\":%llu},",
                agreedVersion_.c_str(), agreedCipher_.c_str(), agreedGroup_.c_str(),
                agreedKey_.c_str(), static_cast<unsigned long long>(handshakes_),
                static_cast<unsigned long long>(resumed_));
  }

 private:
  /// The one that came last; a target that gives none with a resumed session gets the old one again.
  static void keepSession(Link& link) {
    SslSessionPtr session(::SSL_get1_session(link.ssl.get()));
    if (session && ::SSL_SESSION_is_resumable(session.get()) == 1) {
      link.session = std::move(session);
    }
  }

  /// The first bytes that pass tell that it is over.
  void onHandshake(Link& link) {
    if (link.isReady) {
      return;
    }
    link.isReady = true;
    ++handshakes_;
    const SSL* ssl = link.ssl.get();
    resumed_ += ::SSL_session_reused(ssl) == 1 ? 1U : 0U;
    if (agreedVersion_.empty()) {
      agreedVersion_ = ::SSL_get_version(ssl);
      agreedCipher_ = ::SSL_get_cipher_name(ssl);
      const char* group = ::SSL_group_to_name(
          link.ssl.get(), static_cast<int>(SSL_get_negotiated_group(link.ssl.get())));
      agreedGroup_ = group != nullptr ? group : "";
      const X509* certificate = ::SSL_get0_peer_certificate(ssl);
      const EVP_PKEY* key = certificate != nullptr ? ::X509_get0_pubkey(certificate) : nullptr;
      const char* type = key != nullptr ? ::EVP_PKEY_get0_type_name(key) : nullptr;
      agreedKey_ = type != nullptr ? type : "";
    }
  }

  [[nodiscard]] static Passage passageOf(Link& link, int result) {
    switch (::SSL_get_error(link.ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Passage::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Passage::WantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Passage::Ended;
    default: // the end of TCP without a closing alert, too: whoever cut it may have cut something off
      link.isBroken = true;
      return Passage::Broken;
    }
  }

  TlsShape shape_;
  SslContextPtr context_;
  std::uint64_t handshakes_ = 0;
  std::uint64_t resumed_ = 0;
  std::string agreedVersion_;
  std::string agreedCipher_;
  std::string agreedGroup_;
  std::string agreedKey_;
};

} // namespace sluice::load
