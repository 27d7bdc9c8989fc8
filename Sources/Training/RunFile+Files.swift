import Documents
import Foundation
import Plans

extension RunFile {
  /// The files that the run reads, none of which an output may replace.
  public var inputs: [String] {
    var files =
      [file] + data.training
      + [
        data.evaluation, data.tokenizer, model.file, planFile,
      ].compactMap { $0 }
    if case .file(let path) = plan.schedule { files.append(path) }
    if let folder = model.checkpoint {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      files += names.sorted().map { "\(folder)/\($0)" }
    }
    return files
  }

  /// Looks at the files that the run writes beside its checkpoints, before its first step.
  ///
  /// - Parameter trace: where a trace of one step goes, if one is wanted.
  /// - Returns: the place of the trace.
  /// - Throws: `ConfigurationError` where a file may not be written.
  public func checkOutputs(trace: String?) throws(ConfigurationError) -> OutputPath? {
    if let path = log.file { _ = try OutputPath(path, besides: inputs, makingFolders: true) }
    guard let trace else { return nil }
    return try OutputPath(trace, besides: inputs + [log.file].compactMap { $0 })
  }
}
