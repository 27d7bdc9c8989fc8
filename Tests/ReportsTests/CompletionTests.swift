import Foundation
import Testing

/// What shells are told of names and files that may be typed.
@Suite struct CompletionTests {
  private func candidates(_ request: String, in folder: String? = nil) throws -> [Substring] {
    let result = try Command.run(
      ("---completion " + request).split(separator: " ").map(String.init), in: folder)
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n")
  }

  /// The script asks the program, for plans as for models and clusters.
  @Test func theScriptAsks() throws {
    let script = try Command.run("--generate-completion-script bash")
    #expect(script.status == 0 && script.output.contains("---completion simulate -- --plan"))
  }

  @Test func namesThatShip() throws {
    #expect(
      try candidates("simulate -- --plan 3 6 sluice simulate --plan deepse") == [
        "deepseek-v3", "deepseek-v3-decode", "deepseek-v3-prefill",
      ])
    #expect(
      try candidates("search -- --cluster 3 11 sluice search --cluster h800-2048-m") == [
        "h800-2048-mrft"
      ])
    let models = try candidates("simulate -- --model 3 0 sluice simulate --model")
    #expect(models.contains("llama-3.1-70b") && models.contains("gpt2"))
  }

  /// Beside names there are the files of that kind, and folders.
  @Test func files() throws {
    let scratch = try Scratch()
    let file = scratch.file("mine.yaml")
    let folder = String(file.dropLast("mine.yaml".count))
    for name in ["mine.yaml", "mine.txt", ".mine.yaml"] {
      try "".write(toFile: folder + name, atomically: true, encoding: .utf8)
    }
    #expect(
      try candidates("search -- --against 3 2 sluice search --against mi", in: folder)
        == ["mine.yaml"])
    let typed = folder + "m"
    #expect(
      try candidates("search -- --against 3 \(typed.count) sluice search --against \(typed)")
        == [Substring(file)])
  }
}
