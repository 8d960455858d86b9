// Prints native/generated/codes.h from src/contract/codes.ts: one table, two languages.
import { writeFileSync } from 'node:fs';
import * as codes from '../src/contract/codes.ts';

const pascal = (text: string): string =>
  text.replace(/(^|[-_])([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase());

function enumOf(name: string, values: readonly string[], comment = ''): string {
  const members = values.map((value, i) => `  ${pascal(value)} = ${i},`).join('\n');
  const count = `inline constexpr std::size_t k${name}Count = ${values.length};`;
  return `${comment}enum class ${name} : std::uint8_t {\n${members}\n};\n${count}\n`;
}

function errorTable(): string {
  const rows = codes.ERROR_CODE_NAMES.map((name) => {
    const { status, proxyStatus, side, retry } = codes.ERROR_CODES[name];
    return `    {"${name}", "${proxyStatus}", ${status}, Side::${pascal(side)}, Retry::${pascal(retry)}, ${codes.isTargetFault(name)}},`;
  });
  return rows.join('\n');
}

const names = codes.STRATEGIES.map((name) => `"${name}"`).join(', ');
const errc = codes.ERROR_CODE_NAMES.map(
  (name, i) => `  /// ${codes.ERROR_CODES[name].meaning}\n  ${pascal(name)} = ${i},`,
).join('\n');

const text = `// Printed from src/contract/codes.ts by \`npm run codes\`. Do not edit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

${[
  enumOf('Side', codes.SIDES),
  enumOf('Retry', codes.RETRIES),
  `enum class Errc : std::uint8_t {\n${errc}\n};\ninline constexpr std::size_t kErrcCount = ${codes.ERROR_CODE_NAMES.length};\n`,
  enumOf('Protocol', codes.PROTOCOLS),
  enumOf('Strategy', codes.STRATEGIES),
  enumOf('ForwardedMode', codes.FORWARDED_MODES),
  enumOf('SpliceMode', codes.SPLICE_MODES),
  enumOf('AddressFamily', codes.ADDRESS_FAMILIES),
  enumOf('HostMatchKind', codes.HOST_MATCHES),
  enumOf('PathMatchKind', codes.PATH_MATCHES),
  enumOf('ActionKind', codes.ACTIONS),
  enumOf('HostHeaderKind', codes.HOST_HEADERS),
  enumOf('EditOp', codes.EDIT_OPS),
  enumOf('LocationPartKind', codes.REDIRECT_PARTS),
  enumOf('ClientCertificateMode', codes.CLIENT_CERTIFICATE_MODES),
  enumOf('CertificateField', codes.CERTIFICATE_FIELDS),
  enumOf('CertificateMatchKind', codes.CERTIFICATE_MATCHES),
  enumOf('ProxyAccept', codes.PROXY_ACCEPTS),
  enumOf('ProxySend', codes.PROXY_SENDS),
  enumOf('ForwardAccept', codes.FORWARD_ACCEPTS),
  enumOf('Anonymity', codes.ANONYMITIES),
  enumOf('PoolKind', codes.POOL_KINDS),
  enumOf('PagePartKind', codes.PAGE_PARTS),
  enumOf('QuestionKind', codes.QUESTIONS),
  enumOf('AddressClass', codes.ADDRESS_CLASSES),
  enumOf('Counter', codes.COUNTERS),
].join('\n')}
struct ErrcInfo {
  std::string_view name;
  std::string_view proxyStatus;
  std::uint16_t status;
  Side side;
  Retry retry;
  /// It says something about the target, and counts towards its ejection.
  bool isTargetFault;
};

inline constexpr std::array<ErrcInfo, kErrcCount> kErrcInfo{{
${errorTable()}
}};

[[nodiscard]] constexpr const ErrcInfo& errcInfo(Errc code) noexcept {
  return kErrcInfo[static_cast<std::size_t>(code)];
}

inline constexpr std::array<std::string_view, kStrategyCount> kStrategyNames{${names}};

/// Names these tables and the layout of an encoded plan.
inline constexpr std::string_view kAbi = "${codes.ABI}";
inline constexpr std::uint32_t kPlanMagic = ${codes.PLAN_MAGIC};

inline constexpr unsigned kHistogramMinShift = ${codes.HISTOGRAM_MIN_SHIFT};
inline constexpr unsigned kHistogramMaxShift = ${codes.HISTOGRAM_MAX_SHIFT};
inline constexpr unsigned kHistogramSub = ${codes.HISTOGRAM_SUB};
inline constexpr std::size_t kHistogramBuckets = ${codes.HISTOGRAM_BUCKETS};
inline constexpr std::size_t kStatsStride = ${codes.STATS_STRIDE};

} // namespace sluice
`;

const target = process.argv[2] ?? new URL('../native/generated/codes.h', import.meta.url);
writeFileSync(target, text);
