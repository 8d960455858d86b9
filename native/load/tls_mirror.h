// The mirror of load-http's self-test over TLS (load/mirror.h): the same canned answers behind a
// certificate that is made when it starts, ECDSA on P-256 as the bench's.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "load/mirror.h"
#include "load/tls_client.h"

namespace sluice::load {

[[nodiscard]] inline SslContextPtr mirrorContext(const TlsShape& shape) {
  SslContextPtr context(::SSL_CTX_new(::TLS_server_method()));
  EVP_PKEY* key = ::EVP_EC_gen("P-256");
  X509* certificate = ::X509_new();
  if (!context || key == nullptr || certificate == nullptr) {
    failTls("OpenSSL");
  }
  setTerms(context.get(), shape);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -3'600);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 86'400);
  X509_NAME* name = ::X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("mirror");
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  ::X509_set_issuer_name(certificate, name);
  ::X509_set_pubkey(certificate, key);
  const bool isUsed = ::X509_sign(certificate, key, ::EVP_sha256()) > 0 &&
                      ::SSL_CTX_use_certificate(context.get(), certificate) == 1 &&
                      ::SSL_CTX_use_PrivateKey(context.get(), key) == 1;
  ::X509_free(certificate); // the context has its own hold on both
  ::EVP_PKEY_free(key);
  if (!isUsed) {
    failTls("OpenSSL");
  }
  std::signal(SIGPIPE, SIG_IGN);
  return context;
}

/// Counts bytes, and says the same thing after each request's worth of them.
class TlsCannedAnswers final : public Entry {
 public:
  TlsCannedAnswers(Shared& shared, int fd, SSL_CTX* context, const Canned& canned)
      : shared_(shared), fd_(fd), ssl_(::SSL_new(context)), canned_(canned) {
    ::SSL_set_fd(ssl_.get(), fd);
    ::SSL_set_accept_state(ssl_.get());
    shared_.epoll.add(fd, EPOLLIN, this);
  }
  TlsCannedAnswers(const TlsCannedAnswers&) = delete;
  TlsCannedAnswers& operator=(const TlsCannedAnswers&) = delete;

  void onReady(std::uint32_t events) override {
    if ((events & EPOLLERR) != 0 || !goOn()) {
      ::close(fd_);
      delete this; // owns itself
    }
  }

 private:
  ~TlsCannedAnswers() override = default;

  /// False when the connection is over.
  [[nodiscard]] bool goOn() {
    for (;;) {
      std::size_t moved = 0;
      ::ERR_clear_error();
      const int result = unsent_ > 0 ? ::SSL_write_ex(ssl_.get(), rest(), unsent_, &moved)
                                     : ::SSL_read_ex(ssl_.get(), shared_.buffer.data(),
                                                     shared_.buffer.size(), &moved);
      if (result != 1) {
        const int why = ::SSL_get_error(ssl_.get(), result);
        want(why == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
      }
      if (unsent_ > 0) {
        unsent_ -= moved;
        if (unsent_ == 0 && !canned_.isKept) {
          static_cast<void>(::SSL_shutdown(ssl_.get()));
          return false;
        }
      } else {
        received_ += moved;
      }
      if (unsent_ == 0 && received_ >= canned_.requestBytes) {
        received_ -= canned_.requestBytes;
        unsent_ = canned_.answer.size();
      } else if (unsent_ == 0 && ::SSL_has_pending(ssl_.get()) == 0) {
        want(EPOLLIN);
        return true;
      }
    }
  }

  [[nodiscard]] const char* rest() const {
    return canned_.answer.data() + (canned_.answer.size() - unsent_);
  }

  void want(std::uint32_t events) {
    if (events != events_) {
      events_ = events;
      shared_.epoll.change(fd_, events, this);
    }
  }

  Shared& shared_;
  int fd_;
  SslPtr ssl_;
  const Canned& canned_;
  std::uint32_t events_ = EPOLLIN;
  std::uint64_t received_ = 0;
  std::size_t unsent_ = 0;
};

} // namespace sluice::load
