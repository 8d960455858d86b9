#include "tls/peer_certificate.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>
#include <vector>

namespace sluice::tls {

namespace {

constexpr std::string_view kUpper = "0123456789ABCDEF";
constexpr std::string_view kLower = "0123456789abcdef";

std::string hex(const unsigned char* bytes, std::size_t size, std::string_view digits) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

/// What a certificate says may be anything; a header is one line of visible ASCII.
std::string clean(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e) {
      c = '?';
    }
  }
  return text;
}

std::string distinguishedName(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) {
    return {};
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return clean({text, static_cast<std::size_t>(size)});
}

std::string serialText(const X509* certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  BIGNUM* number = ASN1_INTEGER_to_BN(serial, nullptr);
  char* digits = number != nullptr ? BN_bn2hex(number) : nullptr;
  std::string text = digits != nullptr ? digits : "";
  OPENSSL_free(digits);
  BN_free(number);
  return text;
}

std::string timeText(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return {};
  }
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

std::string fingerprintText(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
    return {};
  }
  return hex(digest.data(), size, kLower);
}

std::string contentOf(const ASN1_STRING* string) {
  return std::string(
      textOf(ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))));
}

std::string addressText(const ASN1_OCTET_STRING* address) {
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (ASN1_STRING_length(address) != 4 && ASN1_STRING_length(address) != 16) {
    return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) != nullptr
             ? text.data()
             : "";
}

std::string alternativeNames(const X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string text;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string one;
    switch (name->type) {
    case GEN_DNS:
      one = "DNS:" + contentOf(name->d.dNSName);
      break;
    case GEN_EMAIL:
      one = "email:" + contentOf(name->d.rfc822Name);
      break;
    case GEN_URI:
      one = "URI:" + contentOf(name->d.uniformResourceIdentifier);
      break;
    case GEN_IPADD:
      one = "IP:" + addressText(name->d.iPAddress);
      break;
    default:
      continue;
    }
    // A comma would make two names of one.
    std::replace(one.begin(), one.end(), ',', '?');
    text += text.empty() ? "" : ", ";
    text += one;
  }
  GENERAL_NAMES_free(names);
  return clean(std::move(text));
}

std::string derText(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size < 0) {
    return {};
  }
  std::vector<unsigned char> text(static_cast<std::size_t>(size + 2) / 3 * 4 + 1);
  const int used = EVP_EncodeBlock(text.data(), der, size);
  OPENSSL_free(der);
  std::string quoted(":");
  quoted.append(textOf(text.data(), static_cast<std::size_t>(used)));
  quoted += ':';
  return quoted;
}

} // namespace

std::string describe(const X509* certificate, CertificateField field) {
  if (field == CertificateField::Verified) {
    return certificate != nullptr ? "1" : "0";
  }
  if (certificate == nullptr) {
    return {};
  }
  switch (field) {
  case CertificateField::Subject:
    return distinguishedName(X509_get_subject_name(certificate));
  case CertificateField::Issuer:
    return distinguishedName(X509_get_issuer_name(certificate));
  case CertificateField::Serial:
    return serialText(certificate);
  case CertificateField::Fingerprint:
    return fingerprintText(certificate);
  case CertificateField::Names:
    return alternativeNames(certificate);
  case CertificateField::NotBefore:
    return timeText(X509_get0_notBefore(certificate));
  case CertificateField::NotAfter:
    return timeText(X509_get0_notAfter(certificate));
  case CertificateField::Certificate:
    return derText(certificate);
  case CertificateField::Verified:
    break;
  }
  return {};
}

std::string commonName(const X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) {
    return {};
  }
  unsigned char* text = nullptr;
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  const int size = ASN1_STRING_to_UTF8(&text, value);
  std::string utf8 =
      size > 0 ? std::string(textOf(text, static_cast<std::size_t>(size))) : std::string();
  OPENSSL_free(text);
  return utf8;
}

} // namespace sluice::tls
