import Documents
import Foundation
import Plans

extension RunFile {
  /// The files that the run reads, or would read if they were there: none of them may be replaced by an
  /// output, nor removed.
  public var inputs: [String] {
    var files = [file] + data.training
    files += [data.evaluation, model.file, planFile].compactMap { $0 }
    if objective == .language { files += tokenFiles.map(TokenFileDescription.path) }
    files += tokenizerFiles
    if case .file(let path) = plan.schedule { files.append(path) }
    if case .counts(let path) = plan.expertLoad { files.append(path) }
    if let path = plan.documents?.file { files.append(path) }
    if let folder = model.checkpoint {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      files += names.sorted().map { "\(folder)/\($0)" }
    }
    return files
  }

  /// Data that are token files, each of which may have a description beside it.
  private var tokenFiles: [String] {
    let evaluation = [data.evaluation].compactMap { $0 }
    return data.training.filter { data.form.resolved(for: $0) == .tokens }
      + evaluation.filter { TokenData.Form.automatic.resolved(for: $0) == .tokens }
  }

  /// The tokenizer that the run names, and the one beside its model.
  private var tokenizerFiles: [String] {
    var files = [modelFolder].compactMap { $0 }.map { "\($0)/\(NamedTokenizer.fileName)" }
    if let name = data.tokenizer, let path = NamedTokenizer.file(named: name) { files.append(path) }
    return files
  }

  /// Looks at the files that the run writes beside its checkpoints, before its first step.
  ///
  /// - Parameter trace: where a trace of one step goes, if one is wanted.
  /// - Returns: the place of the trace.
  /// - Throws: `ConfigurationError` where a file may not be written.
  public func checkOutputs(trace: String?) throws(ConfigurationError) -> OutputPath? {
    let reserved = inputs + place.locks.map(\.path)
    if let path = log.file {
      try checkPlace(try OutputPath(path, besides: reserved, makingFolders: true))
    }
    if let path = log.samples {
      let others = reserved + [log.file].compactMap { $0 }
      try checkPlace(try OutputPath(path, besides: others, makingFolders: true))
    }
    guard let trace else { return nil }
    let place = try OutputPath(
      trace, besides: reserved + [log.file, log.samples].compactMap { $0 })
    try checkPlace(place)
    return place
  }

  /// Refuses a file within a checkpoint, which would go with it or keep it from going.
  private func checkPlace(_ output: OutputPath) throws(ConfigurationError) {
    guard let folder = checkpoints?.folder, let names = output.names(within: folder),
      let first = names.first, names.count > 1,
      CheckpointFolder.step(ofName: first) ?? CheckpointFolder.hidden(ofName: first)?.step != nil
    else { return }
    throw ConfigurationError(
      file: output.name, rule: "cannot be written: it lies in \(first), a checkpoint of the run")
  }
}
