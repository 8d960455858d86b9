#include "policy/page.h"

#include <string>
#include <vector>

#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

struct Word {
  const char* text;
  PagePartKind part;
};
constexpr Word kWords[] = {{"{host}", PagePartKind::Host}, {"{port}", PagePartKind::Port},
                           {"{rule}", PagePartKind::Rule}, {"{client}", PagePartKind::Client},
                           {"{user}", PagePartKind::User}, {"{reason}", PagePartKind::Reason}};

/// As src/plan/page.ts cuts a page into pieces.
std::vector<plan::PagePiece> piecesOf(const std::string& text) {
  std::vector<plan::PagePiece> pieces;
  std::string literal;
  for (std::size_t i = 0; i < text.size();) {
    const Word* found = nullptr;
    for (const Word& word : kWords) {
      if (text.compare(i, std::string(word.text).size(), word.text) == 0) {
        found = &word;
      }
    }
    if (found == nullptr) {
      literal += text[i++];
      continue;
    }
    pieces.push_back({PagePartKind::Literal, literal});
    literal.clear();
    pieces.push_back({found->part, {}});
    i += std::string(found->text).size();
  }
  pieces.push_back({PagePartKind::Literal, literal});
  return pieces;
}

} // namespace

TEST("pages are filled in as the shared vectors say, as far as there is room") {
  std::vector<plan::PagePiece> page;
  int filled = 0;
  for (const test::Vector& vector : test::readVectors("page")) {
    if (vector.at(0) == "page") {
      page = piecesOf(vector.at(1));
      continue;
    }
    const std::string html = vector.at(7);
    const std::string host = vector.at(1);
    const std::string port = vector.at(2);
    const std::string rule = vector.at(3);
    const std::string client = vector.at(4);
    const std::string user = vector.at(5);
    const std::string reason = vector.at(6);
    const PageValues values{host, port, rule, client, user, reason};
    for (std::size_t room = 0; room <= html.size() + 1; ++room) {
      std::vector<char> into(room + 1, '~');
      const std::size_t length = fillPage(page, values, std::span(into).first(room));
      CHECK_EQ(length, html.size());
      CHECK_EQ(std::string(into.data(), std::min(room, length)), html.substr(0, room));
      CHECK_EQ(into[room], '~');
    }
    ++filled;
  }
  CHECK(filled > 6);
}
