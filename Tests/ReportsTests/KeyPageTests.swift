import Clusters
import Costs
import Documents
import Foundation
import Plans
import Testing

/// The references of keys: what commands print, the pages under docs/, and what must stay readable.
@Suite struct KeyPageTests {
  /// What the pages and commands are called.
  ///
  /// A case is named by its arguments, and a whole reference would fill the log.
  static let nouns = ["plan", "cluster"]

  private func reference(_ noun: String) -> KeyReference {
    noun == "plan" ? Plan.keyReference : Cluster.keyReference
  }

  /// `RECORD_SNAPSHOTS=1` writes the pages anew.
  @Test(arguments: nouns) func pages(noun: String) throws {
    let reference = reference(noun)
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../docs/keys-\(noun).md").standardizedFileURL
    if ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] == "1" {
      try reference.markdown.write(to: page, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: page, encoding: .utf8) == reference.markdown, "\(page.path)")
  }

  @Test(arguments: nouns) func commandsPrintThem(noun: String) throws {
    let reference = reference(noun)
    let command = try Command.run("\(noun) --keys")
    #expect(command.status == 0 && command.output == reference.text)
    for line in command.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
  }

  /// Everything that may be written says what it is, what it may be, and what its absence means.
  @Test(arguments: nouns) func nothingIsLeftUnsaid(noun: String) {
    for (path, entry) in reference(noun).leaves {
      #expect(entry.meaning.hasSuffix(".") && entry.meaning.count > 5, "\(path)")
      #expect(entry.fallback?.isEmpty != true, "\(path)")
    }
  }

  /// Keys that people's files hold.
  @Test(arguments: [
    "fused-attention", "fused-loss", "fused-head", "dropout", "units-per-stage", "schedule-file",
    "gradient-lanes", "communication-sms", "pass-times.forward", "pass-times.backward-input",
    "pass-times.backward-weight", "pass-times.transfer", "overlap.pipeline-sends",
    "overlap.expert-exchange", "overlap.gradient-reduction", "overlap.parameter-gather",
    "overlap.tensor-exchange", "pair-order", "scatter-pipeline-sends", "sequence-parallel",
    "precision",
    "precision.base", "precision.name", "precision.linear-operands", "precision.linear-weights",
    "precision.kept-linear-inputs", "precision.kept-attention-outputs",
    "precision.kept-activation-inputs", "precision.gradients", "precision.gradient-reduction",
    "precision.parameter-gather", "precision.moments", "precision.dispatch",
    "precision.scale-block",
  ])
  func planKeysThatStay(key: String) {
    #expect(Plan.keyReference.leaves.contains { $0.path == key })
  }

  @Test(arguments: [
    "node.link.reached", "node.adapters.reached", "device.memory.reached",
    "device.kernels.matmul.bf16.flops-per-clock", "device.kernels.attention.forward-share",
    "device.kernels.attention.forward-share-wide", "device.kernels.attention.backward-share",
    "device.kernels.attention.backward-share-wide", "device.kernels.streaming.rmsnorm-forward",
    "device.kernels.streaming.rmsnorm-backward",
  ])
  func clusterKeysThatStay(key: String) {
    #expect(Cluster.keyReference.leaves.contains { $0.path == key })
  }

  /// `kernels: h800-2048` in place of a table of constants.
  @Test(arguments: [
    "device.kernels", "device.kernels.matmul", "device.kernels.attention",
    "device.kernels.streaming", "node.exchange", "node.collectives",
  ])
  func constantsMayBeBorrowed(section: String) throws {
    #expect(Cluster.keyReference.introduction.contains(section))
    #expect(try Cluster.named("h800-2048", overrides: ["\(section)=h800-2048"]).rankCount == 2048)
  }
}
