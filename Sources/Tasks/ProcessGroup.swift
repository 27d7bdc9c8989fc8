import Documents
import Foundation

/// A process that leads a group of its own, with nothing of this program's but its three streams.
enum ProcessGroup {
  /// Starts a program that is named by its path.
  ///
  /// - Parameter streams: its standard input, output and error.
  static func start(
    _ words: [String], streams: [Int32]
  ) throws(SystemError) -> pid_t {
    var attributes = posix_spawnattr_t()
    var actions = posix_spawn_file_actions_t()
    posix_spawnattr_init(&attributes)
    posix_spawn_file_actions_init(&actions)
    defer {
      posix_spawnattr_destroy(&attributes)
      posix_spawn_file_actions_destroy(&actions)
    }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // What this program ignores, a broken pipe for one, its children would ignore, too.
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    for (number, stream) in streams.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, stream, Int32(number))
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, words[0], &actions, &attributes, arguments, environ)
    guard code == 0 else { throw SystemError(code: code) }
    return process
  }

  /// A pipe whose ends no other program inherits: what is read, what is written.
  static func pipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [0, 0]
    try systemCall { Foundation.pipe(&ends) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }
}

/// Kills a group of processes when this program is gone, in whatever way: also by a signal that it cannot see.
///
/// A shell waits at a pipe whose other end nobody but this program has; the system closes that end with it.
/// A signal that Linux sends to children of a parent that died (`PR_SET_PDEATHSIG`) would reach the program
/// alone and not what it has started.
struct OrphanWatch: ~Copyable {
  private let watcher: pid_t
  private let lifeline: Int32

  /// Begins to wait, as yet for no group.
  init() throws(SystemError) {
    let (reading, writing) = try ProcessGroup.pipe()
    defer { close(reading) }
    let silence = open("/dev/null", O_WRONLY | O_CLOEXEC)
    defer { close(silence) }
    do throws(SystemError) {
      watcher = try ProcessGroup.start(
        [
          "/bin/sh", "-c", "read -r group || exit; read -r end; kill -s KILL -- \"-$group\"", "sh",
        ],
        streams: [reading, silence, silence])
    } catch {
      close(writing)
      throw error
    }
    lifeline = writing
  }

  /// Says which group it is.
  func watch(_ group: pid_t) {
    let line = Array("\(group)\n".utf8)
    // A pipe that is empty takes it at once.
    _ = line.withUnsafeBytes { write(lifeline, $0.baseAddress, $0.count) }
  }

  deinit {
    kill(watcher, SIGKILL)
    close(lifeline)
    _ = try? systemCall { waitpid(watcher, nil, 0) }
  }
}
