/**
 * Where a worker thread's file is. A worker thread loads built files only, because Node 20 does not read
 * TypeScript; the code that starts it may run built (from dist) or from its source (in tests).
 *
 * W1 Started from a built file, the worker is the built file beside it.
 * W2 Started from a source file, it is the file that the build made of the worker's source; without a build
 *    this fails here, with the cure named, and not as a module that the thread cannot find.
 */
import { existsSync } from 'node:fs';

/**
 * The URL to give to `new Worker`: `relative` is the worker's source as the caller would import it, with its
 * `.ts` extension, and `importMetaUrl` the caller's own `import.meta.url`.
 */
export function workerUrl(importMetaUrl: string, relative: string): URL {
  // This file may be built although the caller is a source: tests load the product as it was built.
  const up = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
  return builtUrl(new URL(up, import.meta.url), importMetaUrl, relative);
}

/** As `workerUrl`, for a project whose root is `root`. */
export function builtUrl(root: URL, importMetaUrl: string, relative: string): URL {
  const target = new URL(relative, importMetaUrl);
  target.search = '';
  target.pathname = target.pathname.replace(/\.ts$/, '.js');
  if (!new URL(importMetaUrl).pathname.endsWith('.ts')) return target; // W1

  if (!target.pathname.startsWith(root.pathname)) {
    throw new Error(`${target.pathname} lies outside ${root.pathname}: a worker must be a file of this project.`);
  }
  const built = new URL(`dist/${target.pathname.slice(root.pathname.length)}`, root);
  if (!existsSync(built)) {
    throw new Error(`${built.pathname} does not exist: run "npm run build" first, worker threads load built files.`);
  }
  return built; // W2
}
