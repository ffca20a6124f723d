"""How a graph of jobs looks: layers, outline, bars over time, a change of the plan. Pure drawing, no stores or keys."""
