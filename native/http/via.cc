#include "http/via.h"

#include "http/fields.h"

namespace sluice::http {

bool hasVia(const FieldList& fields, std::string_view pseudonym) noexcept {
  bool isThere = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::Other || !equalsIgnoreCase(field.name, "via")) {
      continue;
    }
    forEachElement(field.value, [&](std::string_view element) {
      // received-protocol RWS received-by [ RWS comment ]
      const std::size_t blank = element.find_first_of(" \t");
      if (blank == std::string_view::npos) {
        return;
      }
      const std::string_view rest = trimBlanks(element.substr(blank));
      isThere = isThere || equalsIgnoreCase(rest.substr(0, rest.find_first_of(" \t(")), pseudonym);
    });
  }
  return isThere;
}

} // namespace sluice::http
