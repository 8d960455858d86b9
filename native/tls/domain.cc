#include "tls/domain.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "tls/session.h"

namespace sluice::tls {

std::string takeError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) {
    return "unknown reason";
  }
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

namespace {

// A session's wire as OpenSSL sees it: reads from what was received, writes to what will be sent.

int readWire(BIO* bio, char* into, std::size_t size, std::size_t* got) noexcept {
  BIO_clear_retry_flags(bio);
  *got = static_cast<Session*>(BIO_get_data(bio))->takeWire(into, size);
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  return 1;
}

int writeWire(BIO* bio, const char* bytes, std::size_t size, std::size_t* taken) noexcept {
  BIO_clear_retry_flags(bio);
  Session& session = *static_cast<Session*>(BIO_get_data(bio));
  Domain& domain = session.domain();
  *taken = std::min(size, domain.sealedRoom());
  if (*taken == 0) {
    BIO_set_retry_write(bio);
    return 0;
  }
  domain.seal(bytes, *taken);
  session.noteSealed({bytes, *taken});
  return 1;
}

long controlWire(BIO*, int command, long, void*) noexcept {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

} // namespace

std::shared_ptr<Domain> Domain::make() noexcept {
  std::shared_ptr<Domain> domain(new (std::nothrow) Domain());
  if (domain == nullptr) {
    return nullptr;
  }
  domain->library_ = OSSL_LIB_CTX_new();
  domain->method_ = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
  if (domain->library_ == nullptr || domain->method_ == nullptr) {
    return nullptr;
  }
  BIO_meth_set_read_ex(domain->method_, readWire);
  BIO_meth_set_write_ex(domain->method_, writeWire);
  BIO_meth_set_ctrl(domain->method_, controlWire);
  domain->kernelTls_ = net::probeKernelTls();
  domain->ticketCipher_ = EVP_CIPHER_fetch(domain->library_, "AES-256-CBC", nullptr);
  return domain->ticketCipher_ != nullptr ? domain : nullptr;
}

Domain::~Domain() {
  EVP_CIPHER_free(ticketCipher_);
  BIO_meth_free(method_);
  OSSL_LIB_CTX_free(library_);
}

void Domain::seal(const char* bytes, std::size_t size) noexcept {
  std::memcpy(sealed_.data() + used_, bytes, size);
  used_ += size;
}

} // namespace sluice::tls
