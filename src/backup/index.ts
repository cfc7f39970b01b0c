/** The public face of backups. */
export { Backups } from './make.ts';
export { BackupFault } from './manifest.ts';
export { restore, type Restored } from './restore.ts';
