/** What to do about what the file system refused. */
const sentences: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no room left on the disk; make room and run it again',
  EDQUOT: 'there is no room left on the disk; make room and run it again',
  EROFS: 'the disk can only be read; choose another place',
  EACCES: 'this user may not do that; choose another place, or change its rights',
  EPERM: 'this user may not do that; choose another place, or change its rights',
  ENOENT:
    'it is not there, or its directory cannot be made; make the directory first, or choose another place',
  ENOTDIR: 'a part of that path is a file and not a directory; choose another place',
  EEXIST: 'there is a file of this name, or a link that leads nowhere; choose another place',
  EISDIR: 'it is a directory; name a file in it',
};

/** An error of the system as a sentence about the file the user named, not about a temporary one beside it. */
export const systemSentence = (error: NodeJS.ErrnoException): string => {
  const code = error.code ?? '';
  const sentence = Object.hasOwn(sentences, code) ? sentences[code] : undefined;
  if (sentence === undefined) return error.message;
  const file = error.path?.replace(/\.([^/\\]+)\.[0-9a-f]{12}\.tmp$/u, '$1');
  return `${file === undefined ? '' : `${file}: `}${sentence} (${code})`;
};
