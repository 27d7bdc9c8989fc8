import Documents
import Foundation

/// Keeps other runs away from where this one writes, for as long as the value lives.
///
/// A file that names the process that holds it, under a lock of the system's, which ends with the
/// process however it ends: on one machine a file that is left behind is known to be stale. Where
/// another machine has left it, nobody can tell from here, and people are told how to remove it;
/// except that a job that Slurm has started again knows that its earlier self is gone. A class, since
/// it owns a descriptor.
package final class RunLock {
  private let path: String
  private let descriptor: Int32
  /// What was found out about an earlier holder, for people.
  package let notice: String?

  deinit {
    // While it is still held, so nobody else can have made it theirs; unless somebody removed the file,
    // and it is another run's that has the name now.
    if Self.isStillThere(path, descriptor) { unlink(path) }
    close(descriptor)
  }

  /// Takes the lock.
  ///
  /// - Throws: `CheckpointError` if another run has it, or the disk refuses.
  package init(path: String, for what: String) throws(CheckpointError) {
    let opened = try Self.acquire(path, what)
    let said: String?
    do throws(CheckpointError) {
      said = try Self.succeed(opened, path, what)
      try Self.sign(opened, path)
    } catch {
      close(opened)
      throw error
    }
    (self.path, descriptor, notice) = (path, opened, said)
  }

  /// The descriptor of the lock's file, under the system's lock.
  private static func acquire(_ path: String, _ what: String) throws(CheckpointError) -> Int32 {
    let clock = ContinuousClock()
    let end = clock.now + patience
    while true {
      let descriptor = try naming(path, "cannot be created") { () throws(SystemError) in
        try systemCall { open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644) }
      }
      if holds(descriptor), isStillThere(path, descriptor) { return descriptor }
      let holder = holder(descriptor)
      close(descriptor)
      guard clock.now < end else { throw inUse(what, by: holder) }
      usleep(50_000)
    }
  }

  /// How long one that is being given up may take: a killed process has a last moment.
  private static let patience = Duration.seconds(1)

  /// Says who holds a lock, if anybody does, and changes nothing.
  ///
  /// - Throws: `CheckpointError` if another run has it.
  package static func check(path: String, for what: String) throws(CheckpointError) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let clock = ContinuousClock()
    let end = clock.now + patience
    while !holds(descriptor, isShared: true) {
      guard clock.now < end else { throw inUse(what, by: holder(descriptor)) }
      usleep(50_000)
    }
    _ = try succeed(descriptor, path, what)
  }

  private static func inUse(_ what: String, by holder: Holder?) -> CheckpointError {
    CheckpointError(
      .system, file: what, rule: "is in use by another run\(holder.map { ", \($0.text)" } ?? "")")
  }

  /// Whether the system's lock is ours now; a file system without them leaves the name in the file to
  /// decide.
  private static func holds(_ descriptor: Int32, isShared: Bool = false) -> Bool {
    if flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 { return true }
    guard errno != EWOULDBLOCK else { return false }
    guard let holder = holder(descriptor), holder.host == Holder.current.host else { return true }
    return kill(holder.process, 0) != 0 && errno == ESRCH
  }

  /// Whether the file has not been removed between opening and locking it.
  private static func isStillThere(_ path: String, _ descriptor: Int32) -> Bool {
    var (named, opened) = (stat(), stat())
    return stat(path, &named) == 0 && fstat(descriptor, &opened) == 0
      && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
  }

  /// What to say of whom this process succeeds.
  private static func succeed(
    _ descriptor: Int32, _ path: String, _ what: String
  ) throws(CheckpointError) -> String? {
    guard let holder = holder(descriptor) else {
      guard lseek(descriptor, 0, SEEK_END) == 0 else {
        throw CheckpointError(.system, file: path, rule: "is not a lock that sluice wrote")
      }
      return nil
    }
    let own = Holder.current
    if holder.host == own.host {
      return "\(holder.text) is gone and left the lock of \(what) behind: it is taken over"
    }
    if let job = own.job, job == holder.job, own.restarts > holder.restarts {
      return "job \(job) goes on where \(holder.text) held the lock of \(what)"
    }
    throw CheckpointError(
      .system, file: what,
      rule: "is in use by another run, \(holder.text); if that is gone, remove \(path)")
  }

  private static func sign(_ descriptor: Int32, _ path: String) throws(CheckpointError) {
    let bytes = Array(Holder.current.line.utf8)
    try naming(path, "cannot be written") { () throws(SystemError) in
      try systemCall { ftruncate(descriptor, 0) }
      let written = try systemCall {
        bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
      }
      // A few bytes are taken whole or not at all, but by a disk that is full.
      if written < bytes.count { throw SystemError(code: ENOSPC) }
    }
  }

  private static func holder(_ descriptor: Int32) -> Holder? {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count > 0, let value = try? JSONValue(Array(bytes.prefix(count))) else { return nil }
    return Holder(value)
  }
}

extension RunLock {
  /// The process that a lock's file names.
  struct Holder {
    var host: String
    var process: Int32
    /// Slurm's job; nil outside of one.
    var job: String?
    /// How often Slurm has started the job again.
    var restarts: Int

    /// This process.
    static var current: Holder {
      let environment = ProcessInfo.processInfo.environment
      return Holder(
        host: hostName, process: getpid(),
        job: environment["SLURM_JOB_ID"],
        restarts: environment["SLURM_RESTART_COUNT"].flatMap { Int($0) } ?? 0)
    }

    /// `process 1234 on node17`.
    var text: String { "process \(process) on \(host)" }

    /// What the file holds.
    var line: String {
      let job = job.map { ", \"job\": \(JSONValue.quoted($0)), \"restarts\": \(restarts)" } ?? ""
      return "{\"host\": \(JSONValue.quoted(host)), \"process\": \(process)\(job)}\n"
    }
  }
}

extension RunLock.Holder {
  /// Reads what the file holds; nil if it is something else.
  init?(_ value: JSONValue) {
    guard let host = value["host"]?.text, let number = value["process"]?.number,
      let process = Int32(exactly: number), process > 0
    else { return nil }
    self.init(
      host: host, process: process, job: value["job"]?.text,
      restarts: value["restarts"]?.number ?? 0)
  }
}
