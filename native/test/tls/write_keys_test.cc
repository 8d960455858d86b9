#include "tls/write_keys.h"

#include <array>
#include <string>
#include <vector>

#include "test/test.h"
#include "test/tls/authority.h"
#include "tls/credentials.h"
#include "tls/domain.h"

using namespace sluice;
using namespace sluice::test;

namespace {

using Bytes = std::vector<unsigned char>;

Bytes fromHex(std::string_view digits) {
  Bytes out;
  std::string pair;
  for (const char c : digits) {
    if (c == ' ') {
      continue;
    }
    pair += c;
    if (pair.size() == 2) {
      out.push_back(static_cast<unsigned char>(std::stoi(pair, nullptr, 16)));
      pair.clear();
    }
  }
  return out;
}

Bytes expanded(const Bytes& secret, std::string_view label, std::size_t size) {
  static const std::shared_ptr<tls::Domain> domain = tls::Domain::make();
  Bytes out(size);
  CHECK(tls::expandLabel(domain->library(), "SHA256", secret, label, out));
  return out;
}

/// One side of a connection in memory, with what follows its keys.
struct Half {
  tls::SslContext context;
  tls::Ssl ssl;
  BIO* in = nullptr;
  BIO* out = nullptr;
  tls::WriteKeys keys;
  OSSL_LIB_CTX* library = nullptr;

  static Half& of(const SSL* ssl) { return *static_cast<Half*>(SSL_get_app_data(ssl)); }
  static void onKeyLog(const SSL* ssl, const char* line) {
    of(ssl).keys.onKeyLog(line, SSL_is_server(ssl) == 1);
  }
  static void onMessage(int isWrite, int, int type, const void* bytes, std::size_t, SSL* ssl,
                        void*) {
    const auto first = *static_cast<const unsigned char*>(bytes);
    if (isWrite == 1 && type == SSL3_RT_HEADER) {
      of(ssl).keys.onRecord(first);
    } else if (isWrite == 1 && type == SSL3_RT_HANDSHAKE && first == SSL3_MT_KEY_UPDATE) {
      CHECK(of(ssl).keys.onKeyUpdate(of(ssl).library, ssl));
    }
  }

  void begin(const SSL_METHOD* method, tls::Domain& domain, const plan::TlsTerms& terms) {
    library = domain.library();
    context.reset(SSL_CTX_new_ex(library, nullptr, method));
    std::string problem;
    CHECK(tls::applyTerms(context.get(), terms, problem));
    SSL_CTX_set_keylog_callback(context.get(), onKeyLog);
    if (method == TLS_server_method()) {
      CHECK(tls::useCertificate(domain, context.get(), site().planned(), problem) != nullptr);
    }
    ssl.reset(SSL_new(context.get()));
    SSL_set_app_data(ssl.get(), this);
    SSL_set_msg_callback(ssl.get(), onMessage);
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), in, out);
  }

  /// All that was written since.
  Bytes take() {
    Bytes bytes(BIO_ctrl_pending(out));
    CHECK_EQ(BIO_read(out, bytes.data(), static_cast<int>(bytes.size())),
             static_cast<int>(bytes.size()));
    return bytes;
  }
  /// One record of data, as the wire has it.
  Bytes sealed(std::string_view text) {
    CHECK_EQ(SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())),
             static_cast<int>(text.size()));
    Bytes record = take();
    keys.onNonce(std::span<const unsigned char, 8>(record.data() + 5, 8));
    return record;
  }
};

struct Both {
  std::shared_ptr<tls::Domain> domain = tls::Domain::make();
  Half server;
  Half client;

  explicit Both(const plan::TlsTerms& terms) {
    server.begin(TLS_server_method(), *domain, terms);
    client.begin(TLS_client_method(), *domain, terms);
    SSL_set_accept_state(server.ssl.get());
    SSL_set_connect_state(client.ssl.get());
    for (int i = 0; i < 4; ++i) {
      SSL_do_handshake(client.ssl.get());
      carry(client, server);
      SSL_do_handshake(server.ssl.get());
      carry(server, client);
    }
    CHECK_EQ(SSL_is_init_finished(server.ssl.get()), 1);
    CHECK_EQ(SSL_is_init_finished(client.ssl.get()), 1);
  }
  static void carry(Half& from, Half& to) {
    if (BIO_ctrl_pending(from.out) > 0) {
      const Bytes bytes = from.take();
      BIO_write(to.in, bytes.data(), static_cast<int>(bytes.size()));
    }
  }
};

/// What `keys` make of a record; empty when it is not sealed with them.
std::string opened(const net::SealKeys& keys, const Bytes& record) {
  const bool isAes = keys.cipher != net::SealCipher::ChaCha20Poly1305;
  const bool showsNonce = isAes && !keys.isTls13;
  const std::size_t head = showsNonce ? 13 : 5;
  const std::size_t size = record.size() - head - 16;
  std::array<unsigned char, 12> nonce = keys.iv;
  Bytes number(8);
  for (std::size_t i = 0; i < 8; ++i) {
    number[i] = static_cast<unsigned char>(keys.sequence >> (56 - 8 * i));
    if (!showsNonce) {
      nonce[4 + i] ^= number[i];
    }
  }
  if (showsNonce && !std::equal(nonce.begin() + 4, nonce.end(), record.begin() + 5)) {
    return {};
  }
  Bytes also(record.begin(), record.begin() + 5);
  if (!keys.isTls13) {
    also[3] = static_cast<unsigned char>(size >> 8);
    also[4] = static_cast<unsigned char>(size);
    also.insert(also.begin(), number.begin(), number.end());
  }
  const EVP_CIPHER* cipher = keys.cipher == net::SealCipher::Aes128Gcm   ? EVP_aes_128_gcm()
                             : keys.cipher == net::SealCipher::Aes256Gcm ? EVP_aes_256_gcm()
                                                                         : EVP_chacha20_poly1305();
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Bytes tag(record.end() - 16, record.end());
  std::string text(size, '\0');
  int made = 0;
  auto* into = const_cast<unsigned char*>(tls::bytesOf(text));
  EVP_DecryptInit_ex(context, cipher, nullptr, keys.key.data(), nonce.data());
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
  EVP_DecryptUpdate(context, nullptr, &made, also.data(), static_cast<int>(also.size()));
  EVP_DecryptUpdate(context, into, &made, record.data() + head, static_cast<int>(size));
  const bool isGood = EVP_DecryptFinal_ex(context, into + made, &made) == 1;
  EVP_CIPHER_CTX_free(context);
  if (isGood && keys.isTls13) {
    CHECK_EQ(text.back(), '\x17');
    text.pop_back();
  }
  return isGood ? text : std::string();
}

bool foretells(Half& side) {
  net::SealKeys keys;
  CHECK(side.keys.next(side.library, side.ssl.get(), keys));
  return opened(keys, side.sealed("the next record")) == "the next record";
}

plan::TlsTerms only(std::uint16_t version, const char* cipher) {
  plan::TlsTerms terms = usualTerms();
  terms.minVersion = terms.maxVersion = version;
  (version == 0x0304 ? terms.cipherSuites : terms.ciphers) = cipher;
  return terms;
}

constexpr std::array kTls13{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                            "TLS_CHACHA20_POLY1305_SHA256"};
constexpr std::array kTls12{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                            "ECDHE-ECDSA-CHACHA20-POLY1305"};

} // namespace

TEST("keys come of traffic secrets as in the traces of RFC 8448") {
  // Section 3: the server's handshake and application traffic, the client's application traffic.
  const Bytes handshake =
      fromHex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  CHECK(expanded(handshake, "key", 16) == fromHex("3fce516009c21727d0f2e4e86ee403bc"));
  CHECK(expanded(handshake, "iv", 12) == fromHex("5d313eb2671276ee13000b30"));
  const Bytes server = fromHex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  CHECK(expanded(server, "key", 16) == fromHex("9f02283b6c9c07efc26bb9f2ac92e356"));
  CHECK(expanded(server, "iv", 12) == fromHex("cf782b88dd83549aadf1e984"));
  const Bytes client = fromHex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  CHECK(expanded(client, "key", 16) == fromHex("17422dda596ed5d9acd890e3c63f5051"));
  CHECK(expanded(client, "iv", 12) == fromHex("5b78923dee08579033e523d9"));
}

TEST("the keys that are followed open what OpenSSL seals next, on either side and at any time") {
  for (const int version : {0x0303, 0x0304}) {
    for (const char* cipher : version == 0x0304 ? kTls13 : kTls12) {
      Both both(only(static_cast<std::uint16_t>(version), cipher));
      for (Half* side : {&both.server, &both.client}) {
        // TLS 1.2 tells with its first record where its nonces begin.
        side->sealed("first");
        CHECK(foretells(*side));
        for (int i = 0; i < 300; ++i) {
          side->sealed("more");
        }
        CHECK(foretells(*side));
      }
    }
  }
}

TEST("a key update changes the keys that are followed, and numbers begin anew") {
  for (const char* cipher : kTls13) {
    Both both(only(0x0304, cipher));
    both.server.sealed("before");
    // Which is answered with one.
    CHECK_EQ(SSL_key_update(both.client.ssl.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_EQ(SSL_do_handshake(both.client.ssl.get()), 1);
    Both::carry(both.client, both.server);
    char byte = 0;
    CHECK(SSL_read(both.server.ssl.get(), &byte, 1) < 0);
    // Before the data, and sealed with what was in force.
    both.server.sealed("behind");
    for (Half* half : {&both.server, &both.client}) {
      net::SealKeys keys;
      CHECK(half->keys.next(half->library, half->ssl.get(), keys));
      CHECK_EQ(keys.sequence, half == &both.server ? 1U : 0U);
      CHECK(foretells(*half));
    }
  }
}

TEST("no keys are told of a cipher that no kernel knows, or once they were forgotten") {
  Both cbc(only(0x0303, "ECDHE-ECDSA-AES128-SHA256"));
  cbc.server.sealed("first");
  net::SealKeys keys;
  CHECK(!cbc.server.keys.next(cbc.server.library, cbc.server.ssl.get(), keys));
  Both gcm(only(0x0304, kTls13[0]));
  gcm.server.keys.forget();
  CHECK(!gcm.server.keys.next(gcm.server.library, gcm.server.ssl.get(), keys));
}
