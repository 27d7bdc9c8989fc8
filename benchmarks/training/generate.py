"""Times `generate` of transformers for `bench-training grpo`: a model with random weights, sampled completions.

    generate.py BATCH PROMPT TOKENS ROUNDS THREADS < config.json

Prints the median seconds, by the clock and of processor time, and the versions of transformers and torch.
"""
import json
import statistics
import sys
import time

import torch
import transformers

batch, prompt, tokens, rounds, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(1)
config = json.load(sys.stdin)
kind = config.pop("model_type")
model = transformers.AutoModelForCausalLM.from_config(
    transformers.AutoConfig.for_model(kind, **config)).float().eval()
inputs = torch.randint(0, min(97, config["vocab_size"]), (batch, prompt))
# Nothing ends a completion: all are as long.
setting = transformers.GenerationConfig(
    do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=tokens,
    eos_token_id=None, pad_token_id=0, use_cache=True)


def once():
    start, processor = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        made = model.generate(inputs, attention_mask=torch.ones_like(inputs), generation_config=setting)
    assert made.shape == (batch, prompt + tokens), made.shape
    return time.perf_counter() - start, time.process_time() - processor


once()
seconds, processor = zip(*(once() for _ in range(rounds)))
print(statistics.median(seconds), statistics.median(processor), transformers.__version__, torch.__version__)
