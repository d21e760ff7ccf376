/** The points of dump and restore at which action scripts run: what a verb calls, without knowing what is run. */
export const SCRIPT_ACTIONS = [
  'pre-stream', 'pre-dump', 'post-dump', 'pre-restore', 'post-restore', 'network-lock', 'network-unlock', 'setup-namespaces',
  'post-setup-namespaces', 'post-resume', 'pre-resume', 'orphan-pts-master', 'status-ready', 'query-ext-files',
] as const;
export type ScriptAction = (typeof SCRIPT_ACTIONS)[number];

/** What dump and restore call at the points they pass. Throws when a script fails; the caller then undoes what it did. */
export interface Scripts {
  run(action: ScriptAction, facts?: { readonly initPid?: number }): void;
}

export const NO_SCRIPTS: Scripts = { run() {} };
