#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where a command may write a file: under a name that is free, or in place of a regular file.
///
/// Never written are devices, pipes, sockets and folders, nor what the same command reads, by whatever
/// name or link. A symbolic link to a regular file is followed and keeps pointing to it; one that leads
/// nowhere is refused.
public struct OutputPath: Hashable, Sendable {
  /// The path as it was given, for messages.
  public let name: String
  /// The folder that the file lies in, links resolved.
  let folder: String
  /// The path of the file itself, links resolved.
  let file: String

  /// Looks at a path before anything is computed.
  ///
  /// - Parameters:
  ///   - others: files of the same command that must stay as they are: what it reads, and what else it
  ///     writes.
  ///   - makingFolders: whether the folders on the way will be made where they are missing.
  /// - Throws: `ConfigurationError`, of the status `.storage` where there is no folder to write to or no
  ///   right to do so.
  public init(
    _ path: String, besides others: [String], makingFolders: Bool = false
  ) throws(ConfigurationError) {
    func failure(_ rule: String, _ status: ExitStatus = .badInput) -> ConfigurationError {
      ConfigurationError(file: path, rule: "cannot be written: \(rule)", status: status)
    }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ConfigurationError(file: path, rule: "is not a path")
    }
    if let status = FileStatus(path) {
      if let rule = status.refusal { throw failure(rule) }
      guard let real = resolvedPath(path) else { throw failure("its place cannot be found") }
      file = real
      folder = splitPath(real).folder
    } else {
      guard FileStatus(path, followsLink: false) == nil else {
        throw failure("is a link to something that is not there")
      }
      let (parent, last) = splitPath(path)
      let real = makingFolders ? planned(parent) : resolvedPath(parent)
      guard let real, FileStatus(real).map(\.isFolder) ?? makingFolders, !last.isEmpty else {
        throw failure("there is no folder \(last.isEmpty ? path : parent)", .storage)
      }
      folder = real
      file = real == "/" ? "/\(last)" : "\(real)/\(last)"
    }
    name = path
    // A file that its owner protected is not replaced, though its folder would allow it.
    for (place, rights) in [(existing(folder), W_OK | X_OK), (file, W_OK)]
    where FileStatus(place) != nil {
      do throws(SystemError) {
        try systemCall { access(place, rights) }
      } catch {
        throw failure("\(place): \(error.message)", .storage)
      }
    }
    for other in others where isSame(as: other) {
      throw failure("\(other) is read or written by the same command")
    }
  }

  /// The names on the way from a folder to the file, the file's own last; nil where it lies elsewhere.
  ///
  /// The folder need not be there yet.
  public func names(within other: String) -> [String]? {
    guard let real = planned(other) else { return nil }
    let beginning = real == "/" ? real : real + "/"
    guard file.hasPrefix(beginning) else { return nil }
    return file.dropFirst(beginning.count).split(separator: "/").map(String.init)
  }

  /// Whether another path leads to the same file, by whatever name or link.
  func isSame(as other: String) -> Bool {
    if let mine = FileStatus(file) {
      guard let theirs = FileStatus(other) else { return false }
      return mine.device == theirs.device && mine.number == theirs.number
    }
    let (parent, last) = splitPath(other)
    guard let real = resolvedPath(parent) else { return false }
    return file == (real == "/" ? "/\(last)" : "\(real)/\(last)")
  }
}

/// What the operating system knows of a file.
struct FileStatus {
  var device: UInt64
  var number: UInt64
  var mode: mode_t
  var owner: uid_t
  var group: gid_t

  /// The status of what a path leads to; nil where there is nothing.
  init?(_ path: String, followsLink: Bool = true) {
    var status = stat()
    guard (followsLink ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
    (mode, owner, group) = (status.st_mode, status.st_uid, status.st_gid)
  }

  var isFolder: Bool { mode & S_IFMT == S_IFDIR }

  /// Why this may not be written; nil for a regular file.
  var refusal: String? {
    let kind =
      switch mode & S_IFMT {
      case S_IFREG: ""
      case S_IFDIR: "directory"
      case S_IFIFO: "pipe"
      case S_IFSOCK: "socket"
      default: "device"
      }
    if kind.isEmpty { return nil }
    return "is a \(kind), and only a new file or a regular one is written"
  }
}

/// The folder of a path and the name within it.
private func splitPath(_ path: String) -> (folder: String, name: String) {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
  let folder = slash == path.startIndex ? "/" : String(path[..<slash])
  return (folder, String(path[path.index(after: slash)...]))
}

/// The path without links, as far as there is one, with the folders behind it that are still to be made;
/// nil where a file stands in the way.
private func planned(_ path: String) -> String? {
  if let real = resolvedPath(path) { return FileStatus(real)?.isFolder == true ? real : nil }
  let (parent, last) = splitPath(path)
  guard parent != path, FileStatus(path, followsLink: false) == nil else { return nil }
  return planned(parent).map { $0 == "/" ? "/\(last)" : "\($0)/\(last)" }
}

/// The innermost folder on the way to `path` that is there.
private func existing(_ path: String) -> String {
  FileStatus(path) == nil && path != "/" ? existing(splitPath(path).folder) : path
}

/// The path without links; nil where it leads nowhere.
public func resolvedPath(_ path: String) -> String? {
  guard let real = realpath(path, nil) else { return nil }
  defer { free(real) }
  return String(cString: real)
}
