import Foundation
import Testing

/// What the page says beside figures that are not what they seem to be at first sight.
@Suite struct StatedMemoryTests {
  private static let plan =
    "data-parallel: 8\nglobal-batch: 8\nsequence-length: 4096\nzero-stage: 1\n"

  /// What a step of two layers prints, words apart by one space.
  private static func page(_ overrides: String..., json: Bool = false) throws -> String {
    let scratch = try Scratch()
    defer { _ = scratch.names }
    let path = try scratch.write(Array(plan.utf8), "plan.yaml")
    let command = try Command.run(
      ["simulate", "--model", "llama-3.1-8b", "--cluster", "h100-2048", "--plan", path]
        + (["model.num_hidden_layers=2"] + overrides).flatMap { ["--set", $0] }
        + (json ? ["--json"] : []))
    #expect(command.status == 0, "\(command.errors)")
    return command.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// A peak below the device's memory that does not fit has its reason beside it.
  @Test func aLargeReserveIsNamed() throws {
    let text = try Self.page("plan.memory-reserve=75 GiB")
    #expect(text.contains("beside a reserve of 75.0 (memory-reserve)."), "\(text.prefix(300))")
    #expect(try !Self.page().contains("beside a reserve of"))
  }

  /// A step says which of its tokens are padding, in words and in JSON, and which documents lose their ends.
  @Test func paddingIsSaid() throws {
    let documents = "plan.documents={lengths: {mean: 2049, deviation: 0}, packing: whole}"
    let text = try Self.page(documents)
    #expect(text.contains("of padding"), "\(text.prefix(600))")
    #expect(text.contains("50.0 % padding") && !text.contains("lose their ends"))
    let json = try Self.page(documents, json: true)
    #expect(json.contains("\"padding_tokens_per_step\""))
    #expect(try !Self.page(json: true).contains("padding_tokens_per_step"))
    let long = try Self.page("plan.sequence-length=1024", documents)
    #expect(long.contains("100.0 % of the whole documents"), "\(long)")
    #expect(long.contains("lose their ends"))
    let unmasked = documents.replacing("packing: whole", with: "packing: whole, mask: none")
    #expect(try Self.page(unmasked).contains("whole documents: 50.0 % padding"))
  }

  /// Copies of gradients, parts of a chunked head and borrowed attention stand under "Assumed".
  @Test func whatIsDecidedIsSaid() throws {
    let copies = try Self.page("plan.precision={base: bf16, gradients: bf16}", json: true)
    #expect(
      copies.contains(
        "gradients kept in bf16 and reduced in float32, copied two buckets at a time"))
    let parts = try Self.page("plan.loss=chunked", json: true)
    #expect(parts.contains("each adding to the head's whole gradient"))
    let wide = try Self.page("plan.precision=float32")
    #expect(wide.contains("float32 attention by PyTorch's memory-efficient kernels"))
    #expect(!wide.contains("attention by cudnn"))
  }

  /// Drawn loads are of times alone, and the page says so.
  @Test func drawnLoadsHoldTheMean() throws {
    let plan = [
      "data-parallel: 8", "expert-parallel: 8", "global-batch: 8", "sequence-length: 1024",
      "expert-load: {deviation: 0.3}",
    ]
    let command = try Command.shell(
      "printf '\(plan.joined(separator: "\\n"))\\n' | $SLUICE simulate --model qwen3-30b-a3b "
        + "--set model.num_hidden_layers=2 --cluster h100-2048 --plan - --json")
    let text = command.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(text.contains("in times alone: memory is that of the mean load"), "\(command.errors)")
  }
}
