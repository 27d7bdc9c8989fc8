import Checkpoints
import Documents
import Foundation

/// What the ranks of a launched run say to the sluice that started them: a file with a line for each,
/// a word and the rank's process number.
///
/// mpirun's exit status cannot carry it. It is 1 after a SIGTERM to mpirun, whatever the ranks did then;
/// and a rank that ends with a status other than 0 ends the others, though all have done their part.
/// Ranks on another machine do not find the file and say nothing.
public struct RankReports: Sendable {
  /// What a rank says.
  public enum Report: String, Hashable, Sendable, CaseIterable {
    /// It holds signals back from here on.
    case listening
    /// All ranks have met, and wait for one another no longer than they may; said by rank 0 for all.
    case started
    /// It has failed, and said so on standard error.
    case failed
    /// All steps are done. This and what follows is said by rank 0 for all.
    case finished
    /// A checkpoint was written after SIGUSR1 or `--stop-after`.
    case stopped
    /// A checkpoint was written after another signal.
    case interrupted

    /// How a run ended that this wish ended.
    public init(endedBy wish: StopWish) {
      switch wish {
      case .goOn: self = .finished
      case .stop: self = .stopped
      case .interrupt: self = .interrupted
      }
    }
  }

  /// The variable with which ranks find the file.
  public static let variable = "SLUICE_REPORTS"

  /// Where the file is.
  public let path: String

  /// Makes an empty file.
  ///
  /// - Throws: `ConfigurationError` of the status `.storage` where the folder for temporary files takes none.
  public init() throws(ConfigurationError) {
    let folder = FileManager.default.temporaryDirectory.path
    var template = Array("\(folder)/sluice-XXXXXX".utf8CString)
    let descriptor: Int32
    do throws(SystemError) {
      descriptor = try systemCall { mkstemp(&template) }
    } catch {
      throw ConfigurationError(
        file: folder, rule: "takes no temporary file: \(error.message)", status: .storage)
    }
    close(descriptor)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes the file.
  public func remove() { unlink(path) }

  /// What has been said so far, in order.
  public func read() -> [Report] { lines().compactMap { Report(rawValue: $0.word) } }

  /// The process numbers of the ranks that listen on this machine.
  func processes() -> [pid_t] {
    lines().filter { $0.word == Report.listening.rawValue && $0.host == hostName }.map(\.process)
  }

  private func lines() -> [(word: String, process: pid_t, host: String)] {
    guard let file = try? InputFile(path: path),
      let bytes = try? file.allBytes(limit: 1 << 24)
    else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let parts = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard parts.count == 3, let process = pid_t(parts[1]) else { return nil }
      return (String(parts[0]), process, String(parts[2]))
    }
  }

  /// Says something to the sluice that started this rank, if one did.
  public static func say(_ report: Report) {
    guard let path = getenv(variable) else { return }
    let descriptor = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    let line = Array("\(report.rawValue) \(getpid()) \(hostName)\n".utf8)
    // Short lines that are added at the end of a file do not mix.
    _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }
}
