import Documents
import Foundation
import Plans
import Tokens

extension RunFile {
  /// The files that the run reads, or would read if they were there: none of them may be replaced by an
  /// output, nor removed.
  public var inputs: [String] {
    var files = [file] + data.training
    files += [data.evaluation, model.file, planFile].compactMap { $0 }
    if objective == .language { files += tokenFiles.map(TokenFileDescription.path(beside:)) }
    files += tokenizerFiles
    if case .file(let path, _) = plan.schedule { files.append(path) }
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
    if let folder = modelFolder { files.append("\(folder)/\(CompletionEnds.generationFile)") }
    let folders = files.map { URL(filePath: $0).deletingLastPathComponent() }
    for name in [ChatTemplate.fileName, ChatTemplate.configurationName] {
      files += folders.map { $0.appending(path: name).path(percentEncoded: false) }
        .filter { FileManager.default.fileExists(atPath: $0) }
    }
    return files
  }
}
