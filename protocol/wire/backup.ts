/** Shapes of backups of a server. */

/** A copy of the data directory, in a folder of the server's machine. */
export interface BackupView {
  readonly name: string;
  /** Its path there. */
  readonly folder: string;
  readonly createdAt: number;
  readonly bytes: number;
  /** Names of older ones that were removed for it. */
  readonly removed: readonly string[];
}

/** Params by method. */
export interface BackupParams {
  /** `keep`: only so many of the newest stay, this one among them. */
  'backup.create': { readonly keep?: number };
}

/** Results by method. */
export interface BackupResults {
  'backup.create': { readonly backup: BackupView };
}
