/**
 * `stillframe/image`, in any runtime: image sets opened, looked at, checked and compared. No Node built-ins.
 * In a browser the core has to be loaded first: `await loadCore(url)`; in Node it is there (src/inspect/node/index.ts).
 */
export { loadCore } from '../core/core.ts';
export { StillframeError, type ErrorParts } from '../errors.ts';
export * as schema from '../image/schema/index.ts';
export type { FrozenTree, Task } from '../image/tree.ts';
export type { Payload } from '../image/payload.ts';
export { kindOfFile, KINDS, type Kind } from '../image/kinds.ts';
export { decodeImage, encodeImage, sourceOf, type Image, type Entry, type NewEntry } from '../image/codec.ts';
export { imageFromJson, imageToJson } from '../crit/convert.ts';
export { readJson, writeJson } from '../crit/json.ts';
export { BlobSource, MemorySource, type ByteFile } from '../image/source/source.ts';
export { Archive, MemoryStore, openArchive, storeOfBlobs, type ImageStore } from '../image/source/store.ts';
export { open, OpenSet, openStore, type OpenOptions, type OpenTarget } from './open.ts';
export type { Loaded, SetFile } from './load.ts';
export type { AddressSpace, PageRun } from './memory.ts';
export type { Mapping, MappingKind } from './mappings.ts';
export { findingText, type Finding, type Severity } from './finding.ts';
export { checkSet, countFindings, type CheckOptions } from './check/check.ts';
export { formatReport, FORMATS } from './check/report.ts';
export { RULES, type RuleId } from './check/rules.ts';
export { coreDump, type CoreDump } from './coredump/coredump.ts';
export { argumentsOf, environmentOf, taskRows, type TaskRow, type ThreadRow } from './tasks.ts';
export { fdRows, mountRows, socketRows, type FdRow, type MountRow, type SocketListRow } from './files.ts';
export { mappingRows, sumsOf, type MappingRow, type MemorySums } from './usage.ts';
export { summaryOf, type Summary } from './summary.ts';
export { compareSets, type Comparison, type TaskChange } from '../compare/compare.ts';
export { findIn, parsePattern, stringsIn, type Match, type Pattern } from './search.ts';
