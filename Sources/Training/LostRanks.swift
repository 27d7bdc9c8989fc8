import Documents
import Foundation

/// Notices ranks that are gone while mpirun waits for them.
///
/// mpirun misses the end of a rank that is killed while it connects, and waits for ever; the other ranks
/// wait with it. A rank that has done its part ends together with all others, so that one which is gone
/// for as long as `patience`, mpirun still being there, is lost.
package struct LostRanks {
  /// How long mpirun may take to notice, and how long to end when it is told.
  static let patience = Duration.seconds(10)

  private let clock = ContinuousClock()
  private var checked: ContinuousClock.Instant
  private var goneSince: ContinuousClock.Instant?
  /// Signals that mpirun was sent: SIGTERM, and SIGKILL where that did not help.
  private var sent = 0

  init() { checked = clock.now }

  /// Whether mpirun was told to end because a rank is gone.
  var areLost: Bool { sent > 0 }

  /// Looks at most twice a second whether a rank is gone; ends mpirun where it does not notice.
  mutating func look(at reports: RankReports, mpirun: pid_t) {
    let now = clock.now
    guard now - checked > .milliseconds(500) else { return }
    checked = now
    guard reports.processes().contains(where: { !Self.isAlive($0) }) else {
      goneSince = nil
      return
    }
    let since = goneSince ?? now
    goneSince = since
    guard now - since > Self.patience * (sent + 1), sent < 2 else { return }
    kill(mpirun, sent == 0 ? SIGTERM : SIGKILL)
    sent += 1
  }

  /// Whether a process runs this very program, and not another one that has its number by now.
  static func isOwn(_ process: pid_t) -> Bool {
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
    return link == Launch.ownPath
  }

  /// The processes that a process has started and that are there.
  package static func children(of parent: pid_t) -> [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { process in
      // Behind the name, which may hold anything, stand the state and the parent.
      guard let text = systemFile("/proc/\(process)/stat"),
        let name = text.lastIndex(of: UInt8(ascii: ")"))
      else { return false }
      let words = text[(name + 1)...].split(separator: UInt8(ascii: " "))
      return words.count > 1 && String(decoding: words[1], as: UTF8.self) == "\(parent)"
    }
  }

  /// Whether a process runs; one that has ended and that nobody has waited for does not.
  package static func isAlive(_ process: pid_t) -> Bool {
    guard let text = systemFile("/proc/\(process)/stat"),
      let name = text.lastIndex(of: UInt8(ascii: ")")), name + 2 < text.endIndex
    else { return kill(process, 0) == 0 }
    // The state stands behind the name, which may hold anything.
    return ![UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(text[name + 2])
  }
}
