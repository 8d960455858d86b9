#include "http/head.h"

#include <string>

#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;

TEST("field names are known without case, and unknown ones are Other") {
  CHECK(fieldIdOf("Host") == FieldId::Host);
  CHECK(fieldIdOf("hOST") == FieldId::Host);
  CHECK(fieldIdOf("content-length") == FieldId::ContentLength);
  CHECK(fieldIdOf("TRANSFER-ENCODING") == FieldId::TransferEncoding);
  CHECK(fieldIdOf("TE") == FieldId::Te);
  CHECK(fieldIdOf("HTTP2-Settings") == FieldId::Http2Settings);
  CHECK(fieldIdOf("Proxy") == FieldId::Proxy);
  CHECK(fieldIdOf("X-Real-IP") == FieldId::XRealIp);
  for (const char* name : {"", "h", "hosts", "hos", "accept", "x-forwarded", "x-forwarded-",
                           "content-lengths", "xcontent-length", "tee", "datf"}) {
    CHECK(fieldIdOf(name) == FieldId::Other);
  }
}

TEST("names in the X-Forwarded family are known even when we have no use for them") {
  CHECK(fieldIdOf("X-Forwarded-For") == FieldId::XForwardedFor);
  CHECK(fieldIdOf("x-forwarded-proto") == FieldId::XForwardedProto);
  CHECK(fieldIdOf("X-Forwarded-Port") == FieldId::XForwardedOther);
  CHECK(fieldIdOf("X-Forwarded-Fox") == FieldId::XForwardedOther);
}

TEST("an underscore for a hyphen makes a twin, and only of names that matter") {
  CHECK(fieldIdOf("Content_Length") == FieldId::UnderscoreTwin);
  CHECK(fieldIdOf("transfer_encoding") == FieldId::UnderscoreTwin);
  CHECK(fieldIdOf("X_Forwarded_For") == FieldId::UnderscoreTwin);
  CHECK(fieldIdOf("X-Forwarded_Port") == FieldId::UnderscoreTwin);
  CHECK(fieldIdOf("x_real-ip") == FieldId::UnderscoreTwin);
  CHECK(fieldIdOf("my_field") == FieldId::Other);
  CHECK(fieldIdOf("ho_t") == FieldId::Other);
}

TEST("the end of a head is found wherever the search began, whatever line ends it has") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string text = head + "body\r\n\r\n";
  for (std::size_t cut = 0; cut < head.size(); ++cut) {
    CHECK_EQ(findHeadEnd(std::string_view(text).substr(0, cut), 0), std::string_view::npos);
    const std::size_t from = cut < 3 ? 0 : cut - 3;
    const test::Guarded guarded(head);
    CHECK_EQ(findHeadEnd(guarded.text(), from), head.size());
  }
  CHECK_EQ(findHeadEnd(text, 0), head.size());
  CHECK_EQ(findHeadEnd("a\nb\n\nc", 0), 5u);
  CHECK_EQ(findHeadEnd("a\nb\n\r\nc", 0), 6u);
  CHECK_EQ(findHeadEnd("a\r\nb\r\n\rc", 0), std::string_view::npos);
}

TEST("case is ignored for letters only") {
  CHECK(equalsIgnoreCase("", ""));
  CHECK(equalsIgnoreCase("aBcZ-9", "AbCz-9"));
  CHECK(!equalsIgnoreCase("a", "ab"));
  CHECK(!equalsIgnoreCase("@", "`"));
  CHECK(!equalsIgnoreCase("[", "{"));
}
