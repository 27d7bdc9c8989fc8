import Documents
import Foundation

extension CheckpointFolder {
  /// The names in the folder.
  private var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// The steps of the checkpoints that are there, and of those that `recover()` brings back; ascending.
  package func recoverableSteps() -> [Int] {
    let hidden = names.compactMap(Self.hidden).filter { $0.kind == .replaced }.map(\.step)
    return Set(steps() + hidden).sorted()
  }

  /// Clears what a process left unfinished, under the names that sluice gives alone.
  ///
  /// A checkpoint between two renames gets its name back; one that was being written or removed goes.
  ///
  /// - Returns: what was half-written.
  package func recover() throws(CheckpointError) -> [String] {
    let names = names
    var notices: [String] = []
    for name in names {
      guard let (step, kind) = Self.hidden(ofName: name) else { continue }
      let final = checkpoint(atStep: step)
      if kind == .replaced, !names.contains(Self.name(ofStep: step)) {
        // Killed between the two renames of a replacement: the older one is put back.
        try move("\(path)/\(name)", to: final)
      } else {
        if kind == .partial { notices.append("\(final) was half-written, and is cleared away") }
        try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
      }
    }
    for name in names where isTrial(name) { unlink("\(path)/\(name)") }
    return notices
  }

  /// Whether a name is that of the empty file by which a start tries whether the folder can be written: what was
  /// killed within it leaves it.
  private func isTrial(_ name: String) -> Bool {
    let number = name.dropFirst(8)
    return name.hasPrefix(".sluice-") && !number.isEmpty && number.allSatisfy(\.isWholeNumber)
      && fileSize("\(path)/\(name)") == 0
  }

  /// Bytes of a checkpoint's files.
  package func bytes(atStep step: Int) -> Int {
    let folder = checkpoint(atStep: step)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.reduce(0) { $0 + fileSize("\(folder)/\($1)") }
  }

  /// Something in a checkpoint's folder that sluice did not write there; nil if there is nothing.
  ///
  /// Without a manifest that can be read nothing is known to be sluice's.
  package static func foreignFile(in checkpoint: String) -> String? {
    let found: [String]
    do {
      found = try FileManager.default.contentsOfDirectory(atPath: checkpoint).sorted()
    } catch {
      return ""
    }
    let file = "\(checkpoint)/\(Manifest.name)"
    guard let opened = try? InputFile(path: file),
      let manifest = try? Manifest(opened.allBytes(limit: 1 << 30), file: file)
    else { return found.first ?? "" }
    let own = Set(manifest.files.map(\.name) + [Manifest.name])
    return found.first { !own.contains($0) }
  }

  /// Removes all checkpoints; each was found to be sluice's own.
  package func removeAll() throws(CheckpointError) -> [String] {
    let steps = steps()
    for step in steps { try remove(step) }
    return steps.isEmpty ? [] : ["\(steps.count) checkpoints of an earlier run were removed"]
  }

  /// Removes a checkpoint, hidden first, so that none is ever seen in part.
  func remove(_ step: Int) throws(CheckpointError) {
    let hidden = hidden(atStep: step, .removed)
    try move(checkpoint(atStep: step), to: hidden)
    try? FileManager.default.removeItem(atPath: hidden)
  }

  /// The newest checkpoint that is whole, and what was skipped to find it.
  ///
  /// Those that are damaged keep their files under a name that no run takes for a checkpoint.
  ///
  /// - Throws: `CheckpointError` where there are checkpoints and none is good, or the system does not
  ///   let one be read.
  package func newestGood() throws(CheckpointError) -> (step: Int?, notices: [String]) {
    var damaged: [(step: Int, reason: String)] = []
    for step in steps().reversed() {
      guard let reason = try CheckpointReader.damage(at: checkpoint(atStep: step)) else {
        let notices = try damaged.map { bad throws(CheckpointError) -> String in
          let name = try setAside(bad.step)
          return "\(bad.reason); skipped, and set aside as \(name)"
        }
        return (step, notices)
      }
      damaged.append((step, reason))
    }
    guard let newest = damaged.first else { return (nil, []) }
    throw CheckpointError(
      .damaged, file: path,
      rule: "holds no good checkpoint; of the newest, \(newest.reason)")
  }

  private func setAside(_ step: Int) throws(CheckpointError) -> String {
    let stem = "\(Self.name(ofStep: step)).damaged"
    let names = names
    let name =
      names.contains(stem)
      ? (2...).lazy.map { "\(stem)-\($0)" }.first { !names.contains($0) } ?? stem : stem
    try move(checkpoint(atStep: step), to: "\(path)/\(name)")
    return name
  }
}

extension CheckpointReader {
  /// Why a run cannot go on from the checkpoint in a folder, found by reading every byte; nil if it can.
  ///
  /// - Throws: `CheckpointError` for a file that is there and that the system does not let be read: no
  ///   reason to take an older one.
  static func damage(at path: String) throws(CheckpointError) -> String? {
    do {
      let reader = try CheckpointReader(path: path)
      try reader.verify()
      guard reader.state != nil, reader.holdsMoments else {
        return "\(path): says not where training stood"
      }
      return nil
    } catch let error as CheckpointError {
      if error.kind == .system, FileManager.default.fileExists(atPath: error.file) { throw error }
      return "\(error)"
    } catch {
      return "\(error)"
    }
  }
}
