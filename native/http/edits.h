// A route's header edits, applied in order: `set` and `remove` take away what was there under the
// name, `set` and `add` put a field at the end. Internal to http/.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "http/head.h"
#include "http/head_writer.h"
#include "plan/plan.h"

namespace sluice::http {

/// Whether an edit takes away the fields of this name.
[[nodiscard]] inline bool isEditedAway(std::span<const plan::HeaderEdit> edits,
                                       std::string_view name) noexcept {
  for (const plan::HeaderEdit& edit : edits) {
    if (edit.op != EditOp::Add && equalsIgnoreCase(edit.name, name)) {
      return true;
    }
  }
  return false;
}

/// Whether the name is one of theirs, or one that a target may take for it: CGI and what came after
/// it make no difference between hyphens and underscores.
[[nodiscard]] inline bool mayPassFor(std::span<const plan::HeaderEdit> edits,
                                     std::string_view name) noexcept {
  const auto fold = [](char c) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    return lower == '_' ? '-' : lower;
  };
  return std::any_of(edits.begin(), edits.end(), [=](const plan::HeaderEdit& edit) {
    return std::equal(name.begin(), name.end(), edit.name.begin(), edit.name.end(),
                      [=](char a, char b) { return fold(a) == fold(b); });
  });
}

inline void writeEdits(HeadWriter& out, std::span<const plan::HeaderEdit> edits) noexcept {
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (edits[i].op != EditOp::Remove && !isEditedAway(edits.subspan(i + 1), edits[i].name)) {
      out.appendField(edits[i].name, edits[i].value);
    }
  }
}

} // namespace sluice::http
