// The public API: everything that a program which embeds Sluice may import, and nothing else.
export type { Config, ConfigInput } from './config/config.ts';
export { defineConfig } from './config/config.ts';
export { loadConfigFile } from './config/load.ts';
export { parseConfig } from './config/parse.ts';
export { configJsonSchema } from './config/schema.ts';
export { configWarnings } from './config/warnings.ts';
export type { Counter, ErrorCode, StrategyName } from './contract/codes.ts';
export { type Problem, SluiceError, type SluiceErrorCode } from './contract/errors.ts';
export type { EngineName, TargetState, UserState } from './engine/engine.ts';
export type { LatencyStats } from './observe/histogram.ts';
export type { Logger } from './observe/logger.ts';
export type { EntityStats, ProxyStats, TargetStats, UserStats } from './observe/stats.ts';
export { formatStats } from './observe/stats-table.ts';
export type { ListedCertificate } from './plan/listed-certificates.ts';
export {
  type CloseOptions,
  createProxy,
  type ProxyEvents,
  type ProxyOptions,
  type SluiceProxy,
} from './proxy.ts';
