"""How a graph of jobs looks: layers, outline, bars over time, a change of its plan. Pure drawing: no stores, no keys."""
